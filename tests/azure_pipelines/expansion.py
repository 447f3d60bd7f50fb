"""Expand a pipeline as Azure DevOps does: insert templates, evaluate `${{ }}`, and refuse every mistake.

https://learn.microsoft.com/azure/devops/pipelines/process/template-expressions
"""

import re
from pathlib import Path
from typing import Any

import yaml

EXPRESSION = re.compile(r"\$\{\{\s*((?:(?!\}\}).)*?)\s*\}\}", re.S)
TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|([A-Za-z_][\w.]*)|(\d+)|([(),\[\]]))")
FUNCTIONS = {
    "eq": lambda a, b: str(a).lower() == str(b).lower(),
    "ne": lambda a, b: str(a).lower() != str(b).lower(),
    "and": lambda *values: all(values),
    "or": lambda *values: any(values),
    "not": lambda value: not value,
    "in": lambda value, *others: str(value).lower() in [str(other).lower() for other in others],
}
# Functions of runtime conditions. Conditions are evaluated when a stage is due, so only the names are checked.
RUNTIME = {*FUNCTIONS, "succeeded", "failed", "canceled", "always", "succeededOrFailed", "contains", "startsWith"}
TYPES = {"string": str, "object": (dict, list), "boolean": bool, "number": (int, float), "stepList": list}


class PipelineError(Exception):
    """A mistake that Azure DevOps would refuse, with its file."""


class Template:
    """One pipeline file with its parameters."""

    def __init__(self, file: Path, given: dict | None = None, variables: dict | None = None):
        self.file = file
        if not file.is_file():
            raise PipelineError(f"{file.name}: template not found")
        self.content = yaml.safe_load(file.read_text())
        declared = {declaration["name"]: declaration for declaration in self.content.pop("parameters", [])}
        self.variables = {
            declaration["name"]: declaration["value"] for declaration in self.content.get("variables", [])
        } | (variables or {})
        self.values = {"parameters": self._parameters(declared, given or {}), "variables": self.variables}

    def _parameters(self, declared: dict, given: dict) -> dict:
        for name in given.keys() - declared.keys():
            self._refuse(f"parameter {name} is not declared")
        values = {}
        for name, declaration in declared.items():
            if name not in given and "default" not in declaration:
                self._refuse(f"parameter {name} is not given")
            values[name] = given.get(name, declaration.get("default"))
            if not isinstance(values[name], TYPES[declaration["type"]]):
                self._refuse(f"parameter {name} is not of type {declaration['type']}")
            if "values" in declaration and values[name] not in declaration["values"]:
                self._refuse(f"parameter {name} cannot be {values[name]}")
        return values

    def expanded(self) -> dict:
        """Return the content with all templates inserted and expressions evaluated."""
        return self._expand(self.content, self.values)

    def _refuse(self, what: str):
        raise PipelineError(f"{self.file.name}: {what}")

    def _expand(self, node: Any, scope: dict) -> Any:
        if isinstance(node, str):
            return self._text(node, scope)
        if isinstance(node, list):
            return [expanded for item in self._expand_items(node, scope) for expanded in self._item(*item)]
        if isinstance(node, dict):
            return {name: self._expand(value, scope) for name, value in node.items()}
        return node

    def _expand_items(self, items: list, scope: dict):
        """Yield each item of a list with its scope; expand if, else and each."""
        taken = False
        for item in items:
            key = next(iter(item), "") if isinstance(item, dict) else ""
            directive = EXPRESSION.fullmatch(str(key))
            if not directive:
                yield item, scope
                continue
            word, _, rest = directive[1].partition(" ")
            if word == "each":
                name, _, source = rest.partition(" in ")
                for value in self._value(source, scope):
                    yield from self._expand_items(item[key], {**scope, name: value})
                continue
            if word not in ("if", "elseif", "else"):
                self._refuse(f"{word} is not a directive")
            taken = False if word == "if" else taken
            if not taken and (word == "else" or self._value(rest, scope)):
                taken = True
                yield from self._expand_items(item[key], scope)

    def _item(self, item: Any, scope: dict) -> list:
        if not isinstance(item, dict) or "template" not in item:
            return [self._expand(item, scope)]
        file = self.file.parent / self._expand(item["template"], scope)
        template = Template(file, self._expand(item.get("parameters", {}), scope), self.variables)
        ((_, content),) = template.expanded().items()
        return content

    def _text(self, text: str, scope: dict) -> Any:
        whole = EXPRESSION.fullmatch(text)
        if whole:
            return self._value(whole[1], scope)
        return EXPRESSION.sub(lambda match: str(self._value(match[1], scope)), text)

    def _value(self, source: str, scope: dict) -> Any:
        tokens = tokenize(source)
        value = self._parse(tokens, scope)
        if tokens:
            self._refuse(f"{source} is not an expression")
        return value

    def _parse(self, tokens: list, scope: dict) -> Any:
        kind, token = tokens.pop(0)
        if kind != "name":
            return token
        if tokens and tokens[0][1] == "(":
            return self._call(token, tokens, scope)
        value: Any = scope
        for part in token.split("."):
            if part not in value:
                self._refuse(f"{token} is not known here")
            value = value[part]
        return value

    def _call(self, function: str, tokens: list, scope: dict) -> Any:
        if function not in FUNCTIONS:
            self._refuse(f"{function} is not a function of template expressions")
        arguments = []
        while tokens.pop(0)[1] != ")":  # skip the opening parenthesis or a comma
            arguments.append(self._parse(tokens, scope))
        return FUNCTIONS[function](*arguments)


def tokenize(source: str) -> list[tuple[str, Any]]:
    """Return the kind and value of each token of an expression."""
    tokens, position = [], 0
    while source[position:].strip():
        match = TOKEN.match(source, position)
        if not match:
            raise PipelineError(f"{source} is not an expression")
        text, name, number, symbol = match.groups()
        kinds = [("text", text), ("name", name), ("number", number), ("symbol", symbol)]
        tokens.append(next(pair for pair in kinds if pair[1] is not None))
        position = match.end()
    return tokens


def function_names(condition: str) -> set[str]:
    """Return the names of the functions that a condition calls."""
    tokens = [*tokenize(condition), ("symbol", "")]
    pairs = zip(tokens, tokens[1:], strict=False)
    return {name for (kind, name), (_, after) in pairs if kind == "name" and after == "("}
