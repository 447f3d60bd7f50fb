"""Run the chain: ``python run_all.py --params parameters/my.yaml``; ``--help`` says the rest."""

import sys

from lib.commands import main

if __name__ == "__main__":
    sys.exit(main())
