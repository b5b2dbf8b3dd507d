"""The process of a Ray head: `python -m investlab.compute FOLDER WORKERS`, until standard input closes."""

import sys

from investlab.compute.head import serve_head

if __name__ == "__main__":
    serve_head(sys.argv[1], int(sys.argv[2]))
