"""livedream's command, for a checkout: the mirror, and its tools. ``live.py --help`` lists them."""

import sys

from livedream.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
