"""A pipeline as Azure DevOps expands it: templates put in, `${{ }}` worked out, and every mistake on the way refused.

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
    "in": lambda value, *others: str(value).lower() in [str(one).lower() for one in others],
}
# Of conditions, which are worked out when a stage is due: names alone are checked.
RUNTIME = {*FUNCTIONS, "succeeded", "failed", "canceled", "always", "succeededOrFailed", "contains", "startsWith"}
TYPES = {"string": str, "object": (dict, list), "boolean": bool, "number": (int, float), "stepList": list}


class PipelineError(Exception):
    """What Azure DevOps would refuse, and in which file."""


class Template:
    """One file with its parameters."""

    def __init__(self, file: Path, given: dict | None = None, variables: dict | None = None):
        self.file = file
        if not file.is_file():
            raise PipelineError(f"{file.name}: there is no such template")
        self.content = yaml.safe_load(file.read_text())
        declared = {one["name"]: one for one in self.content.pop("parameters", [])}
        self.variables = {one["name"]: one["value"] for one in self.content.get("variables", [])} | (variables or {})
        self.values = {"parameters": self._parameters(declared, given or {}), "variables": self.variables}

    def _parameters(self, declared: dict, given: dict) -> dict:
        for name in given.keys() - declared.keys():
            self._refuse(f"parameter {name} is not declared")
        values = {}
        for name, one in declared.items():
            if name not in given and "default" not in one:
                self._refuse(f"parameter {name} is not given")
            values[name] = given.get(name, one.get("default"))
            if not isinstance(values[name], TYPES[one["type"]]):
                self._refuse(f"parameter {name} is no {one['type']}")
            if "values" in one and values[name] not in one["values"]:
                self._refuse(f"parameter {name} may not be {values[name]}")
        return values

    def expanded(self) -> dict:
        """Content with every expression and template worked out."""
        return self._expand(self.content, self.values)

    def _refuse(self, what: str):
        raise PipelineError(f"{self.file.name}: {what}")

    def _expand(self, node: Any, scope: dict) -> Any:
        if isinstance(node, str):
            return self._text(node, scope)
        if isinstance(node, list):
            return [one for item in self._unwrapped(node, scope) for one in self._item(*item)]
        if isinstance(node, dict):
            return {name: self._expand(value, scope) for name, value in node.items()}
        return node

    def _unwrapped(self, items: list, scope: dict):
        """Items of a list with the scope of each; those under if, else and each in their place."""
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
                    yield from self._unwrapped(item[key], {**scope, name: value})
                continue
            if word not in ("if", "elseif", "else"):
                self._refuse(f"{word} is no directive")
            taken = False if word == "if" else taken
            if not taken and (word == "else" or self._value(rest, scope)):
                taken = True
                yield from self._unwrapped(item[key], scope)

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
        return EXPRESSION.sub(lambda found: str(self._value(found[1], scope)), text)

    def _value(self, source: str, scope: dict) -> Any:
        tokens = tokens_of(source)
        value = self._parsed(tokens, scope)
        if tokens:
            self._refuse(f"{source} is no expression")
        return value

    def _parsed(self, tokens: list, scope: dict) -> Any:
        kind, token = tokens.pop(0)
        if kind != "name":
            return token
        if tokens and tokens[0][1] == "(":
            return self._called(token, tokens, scope)
        value: Any = scope
        for part in token.split("."):
            if part not in value:
                self._refuse(f"{token} is not known here")
            value = value[part]
        return value

    def _called(self, function: str, tokens: list, scope: dict) -> Any:
        if function not in FUNCTIONS:
            self._refuse(f"{function} is no function of template expressions")
        arguments = []
        while tokens.pop(0)[1] != ")":  # an opening bracket, or a comma
            arguments.append(self._parsed(tokens, scope))
        return FUNCTIONS[function](*arguments)


def tokens_of(source: str) -> list[tuple[str, Any]]:
    """Kind and value of each token of an expression."""
    tokens, position = [], 0
    while source[position:].strip():
        found = TOKEN.match(source, position)
        if not found:
            raise PipelineError(f"{source} is no expression")
        text, name, number, sign = found.groups()
        one = [("text", text), ("name", name), ("number", number), ("sign", sign)]
        tokens.append(next(pair for pair in one if pair[1] is not None))
        position = found.end()
    return tokens


def functions_of(condition: str) -> set[str]:
    """Names that a condition calls."""
    tokens = [*tokens_of(condition), ("sign", "")]
    pairs = zip(tokens, tokens[1:], strict=False)
    return {name for (kind, name), (_, after) in pairs if kind == "name" and after == "("}
