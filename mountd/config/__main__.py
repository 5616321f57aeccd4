"""`python -m mountd.config --example | --markdown`: what the build writes to config.example.yaml and docs/CONFIGURATION.md."""

import argparse
import sys

from mountd.config.reference import example, markdown


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mountd.config", description="Print the configuration's documents.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--example", action="store_const", dest="made", const=example, help="config.example.yaml")
    which.add_argument("--markdown", action="store_const", dest="made", const=markdown, help="docs/CONFIGURATION.md")
    sys.stdout.write(parser.parse_args().made())


if __name__ == "__main__":
    main()
