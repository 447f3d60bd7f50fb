"""Print mutants of modules, one line of JSON each: ``python generate.py MODULE ...``.

The operators are those of Cosmic Ray (https://cosmic-ray.readthedocs.io) and two more: omit a keyword argument of a
call, and omit a condition of ``and`` or ``or``. This program runs in an environment of its own, which has Cosmic Ray.
"""

import ast
import json
import sys
from pathlib import Path

from cosmic_ray import plugins
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator

# Annotations contain |; the other operators change messages, types of errors and decorators, which tests need not fix.
_LEFT_OUT = ("_BitOr", "ExceptionReplacer", "RemoveDecorator", "Variable", "_Is", "Shift", "_Pow", "_Mod", "_BitXor")


class OmitKeywordArgument(Operator):
    """Omit one of several arguments of a call, if it has a keyword."""

    def mutation_positions(self, node):
        """Return a position for each keyword argument of a list of arguments."""
        arguments = [node.children[index] for index in self._keyword_indices(node)]
        return [(argument.start_pos, argument.end_pos) for argument in arguments]

    def mutate(self, node, index):
        """Remove an argument, and the comma before or after it."""
        position = self._keyword_indices(node)[index]
        start = max(position - 1, 0)
        del node.children[start : start + 2]
        return node

    @staticmethod
    def _keyword_indices(node):
        if node.type != "arglist":
            return []
        return [
            index
            for index, child in enumerate(node.children)
            if child.type == "argument" and getattr(child.children[1], "value", "") == "="
        ]

    @classmethod
    def examples(cls):
        """Return no examples."""
        return ()


class OmitCondition(Operator):
    """Omit one of the conditions that ``and`` or ``or`` joins."""

    def mutation_positions(self, node):
        """Return a position for each condition."""
        conditions = node.children[::2] if node.type in ("and_test", "or_test") else []
        return [(condition.start_pos, condition.end_pos) for condition in conditions]

    def mutate(self, node, index):
        """Remove a condition, and the operator before or after it."""
        start = max(2 * index - 1, 0)
        del node.children[start : start + 2]
        return node

    @classmethod
    def examples(cls):
        """Return no examples."""
        return ()


def find_operators():
    """Return the mutation operators by name."""
    names = [name for name in plugins.operator_names() if not any(part in name for part in _LEFT_OUT)]
    known = {name.removeprefix("core/"): plugins.get_operator(name)() for name in names}
    return {**known, "OmitKeywordArgument": OmitKeywordArgument(), "OmitCondition": OmitCondition()}


def find_mutants(module, operators):
    """Yield the mutants of a module that differ in meaning: the operator, the first changed line, and the text."""
    original = Path(module).read_text(encoding="utf-8")
    known = {ast.dump(ast.parse(original))}
    for name, operator in operators.items():
        occurrence = 0
        while (mutated := mutate_code(original, operator, occurrence)) is not None:
            occurrence += 1
            try:
                tree = ast.dump(ast.parse(mutated))
            except SyntaxError:
                continue
            if tree not in known:
                known.add(tree)
                yield {"module": module, "operator": name, **_describe(original, mutated), "text": mutated}


def _describe(original, mutated):
    """Return number and text of the first line that differs, before and after."""
    pairs = zip(original.splitlines(), mutated.splitlines(), strict=False)
    number, (before, after) = next((number, pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    return {"line": number, "before": before.strip(), "after": after.strip()}


if __name__ == "__main__":
    OPERATORS = find_operators()
    for module in sys.argv[1:]:
        for mutant in find_mutants(module, OPERATORS):
            print(json.dumps(mutant))
