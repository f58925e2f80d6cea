"""``python -m actionzoo`` is the command line."""

import sys

from actionzoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
