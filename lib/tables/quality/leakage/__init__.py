"""Leakage: columns that give away the target, alone or together, but are unknown at prediction time."""

from lib.tables.quality.leakage.irreplaceable import IrreplaceableColumn, find_irreplaceable
from lib.tables.quality.leakage.search import Leak, describe_leaks, find_best_column, find_leaks

__all__ = ["IrreplaceableColumn", "Leak", "describe_leaks", "find_best_column", "find_irreplaceable", "find_leaks"]
