"""Test a sample of mutants of the code that decides about runs, splits and promotions, and print the survivors.

``make mutants ARGS="--count 40 --seed 1"``. A mutant differs from the code in one place. It is killed if a test of its
module fails or does not end; a survivor shows behaviour that no test states. Each mutant is tested in a copy of this
checkout, by the tests of its module alone. ``equivalent.yaml`` lists mutants that no test can notice, and why.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from lib.paths import ROOT

# Modules, and the tests that have to notice their mutants.
_TESTS = {
    "lib/tables/split/*.py": ["tests/tables/test_split*.py", "tests/stages/test_preprocess.py"],
    "lib/backends/models.py": ["tests/backends/test_models.py"],
    "lib/stages/_promotion.py": ["tests/stages/test_evaluate.py"],
    "lib/stages/[a-z]*.py": ["tests/stages/test_{stem}*.py"],
    "lib/backends/promotion_hold.py": ["tests/backends/test_promotion_hold.py"],
    "lib/chain/*.py": ["tests/chain/test_{stem}.py"],
    "lib/serving/keys.py": ["tests/serving/test_key*.py"],
    "lib/serving/rollout.py": ["tests/serving/test_traffic*.py"],
    "lib/serving/server/pool.py": ["tests/serving/test_pool*.py"],
    "lib/serving/server/traffic.py": ["tests/serving/test_traffic*.py"],
    "lib/serving/server/app.py": ["tests/serving/test_http_limits.py", "tests/serving/test_server.py"],
    "lib/scoring/model_folder.py": ["tests/scoring/test_model_folder.py", "tests/scoring/test_tampering.py"],
    # Modules without a test file of their own name.
    "lib/chain/kernel_pool.py": ["tests/chain/test_forking.py"],
    "lib/chain/notebook_client.py": [
        "tests/chain/test_engine.py",
        "tests/chain/test_battery.py",
        "tests/chain/test_executor.py",
    ],
    "lib/chain/execution_runner.py": ["tests/chain/test_running.py", "tests/chain/test_reuse.py"],
    "lib/chain/environment.py": ["tests/chain/test_chain_environment.py"],
    "lib/chain/run_folder.py": ["tests/chain/test_record.py"],
    "lib/stages/_[a-z]*.py": [
        "tests/stages/test_evaluate.py",
        "tests/stages/test_train*.py",
        "tests/stages/test_gates.py",
    ],
    "lib/chain/[a-z]*.py": [
        "tests/chain/test_running.py",
        "tests/chain/test_executor.py",
        "tests/chain/test_record.py",
    ],
}
_TIMEOUT_SECONDS = 300
_EQUIVALENT = Path(__file__).with_name("equivalent.yaml")
_MAX_MODULES = 12  # in one sample: Cosmic Ray takes some seconds to write the mutants of a module


def main():
    """Test a sample of mutants."""
    parser = argparse.ArgumentParser(prog="tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60, help="number of mutants (60)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample (0)")
    parser.add_argument("--only", default="", help="test mutants of modules whose path contains this")
    options = parser.parse_args()
    tests_by_module = {name: tests for name, tests in find_modules().items() if options.only in name}
    choose = random.Random(options.seed)
    modules = sorted(choose.sample(sorted(tests_by_module), min(_MAX_MODULES, len(tests_by_module))))
    equivalent = read_equivalent()
    mutants = [mutant for mutant in generate(modules) if identify(mutant) not in equivalent]
    sample = choose.sample(mutants, min(options.count, len(mutants)))
    survivors = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        checkout = copy_checkout(Path(folder))
        for mutant in sample:
            is_killed = test_fails(checkout, mutant, tests_by_module[mutant["module"]])
            if not is_killed:
                survivors.append(mutant)
            print("killed  " if is_killed else "SURVIVED", describe(mutant), flush=True)
    print(
        f"\n{len(sample)} of {len(mutants)} mutants of {len(modules)} modules were tested: {len(survivors)} survived.\n"
    )
    print("\n".join(describe(mutant) for mutant in survivors))
    return 1 if survivors else 0


def find_modules():
    """Return the modules that have tests of their own, and these test files, relative to the checkout."""
    modules = {}
    for pattern, test_patterns in _TESTS.items():
        for module in sorted(ROOT.glob(pattern)):
            stem = module.stem.strip("_")
            patterns = [test_pattern.format(stem=stem) for test_pattern in test_patterns]
            tests = [str(test.relative_to(ROOT)) for each in patterns for test in sorted(ROOT.glob(each))]
            if tests and module.name != "__init__.py":
                modules.setdefault(str(module.relative_to(ROOT)), tests)
    return modules


def read_equivalent():
    """Return the mutants that no test can notice."""
    reasons = yaml.safe_load(_EQUIVALENT.read_text(encoding="utf-8"))
    return {identify({"module": module, **mutant}) for module, mutants in reasons.items() for mutant in mutants}


def identify(mutant):
    """Return what identifies a mutant, also after other lines of its module have changed."""
    return mutant["module"], mutant["before"], mutant["after"]


def generate(modules):
    """Return the mutants of modules, see `tests.mutants.generate`."""
    python = ROOT / ".venv" / "mutants" / "bin" / "python"
    command = [python, ROOT / "tests" / "mutants" / "generate.py", *modules]
    lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def copy_checkout(folder):
    """Copy the files that git knows or would add, and return the copy's folder."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def test_fails(checkout, mutant, tests):
    """Return whether a test fails or does not end with a mutant. The mutant is undone afterwards."""
    module = checkout / mutant["module"]
    original = module.read_text(encoding="utf-8")
    module.write_text(mutant["text"], encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", f"--timeout={_TIMEOUT_SECONDS}", *tests]
    try:
        finished = subprocess.run(command, cwd=checkout, capture_output=True, timeout=2 * _TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    finally:
        module.write_text(original, encoding="utf-8")
    if finished.returncode not in (0, 1, 2, 3):
        raise SystemExit(finished.stdout.decode())
    return finished.returncode != 0


def describe(mutant):
    """Return the place of a mutant and its change."""
    place = f"{mutant['module']}:{mutant['line']}"
    return f"{place} [{mutant['operator']}]\n    - {mutant['before']}\n    + {mutant['after']}"


if __name__ == "__main__":
    sys.exit(main())
