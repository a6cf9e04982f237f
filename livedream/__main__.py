"""``python -m livedream``: the same command as ``livedream``."""

import sys

from livedream.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
