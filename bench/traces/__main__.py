"""`python -m bench.traces`: each recorded trace against the rules on simulated networks, or on a real mount (--mount).

Time is the trace's, beside what its bytes allow (limit) and what it takes when each read waits for its own bytes (alone); bytes are
what was fetched to one that the kernel asked for, and to one that the reader needed.
"""

import argparse
import json
from pathlib import Path

from bench.traces.network import NETWORKS
from bench.traces.replay import alone, limit, mounted, simulated
from bench.traces.trace import load, names


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.traces", description=__doc__)
    parser.add_argument("names", nargs="*", help="(default: all that were recorded)")
    parser.add_argument("--networks", default="A,B,C", help=f"of {','.join(NETWORKS)} (default: %(default)s)")
    parser.add_argument(
        "--mount", type=Path, metavar="FILE", help="a mounted file, at least as large; a fresh one each time"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    chosen = options.names or names()
    if options.mount:
        for name in chosen:
            print(f"{name}: {mounted(load(name), [options.mount]) * 1e3:.1f} ms")
        return
    found = {}
    print("| trace | network | ms | limit | alone | times the limit | fetched : asked | : needed | requests |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for name in chosen:
        trace = load(name)
        for where in options.networks.split(","):
            network = NETWORKS[where]
            played = simulated(trace, network)
            least, most = limit(trace, network), alone(trace, network)
            found[f"{name} {where}"] = [played.seconds, least, most, played.fetched / trace.asked(), played.requests]
            print(
                f"| {name} | {where} | {played.seconds * 1e3:.0f} | {least * 1e3:.0f} | {most * 1e3:.0f} "
                f"| {played.seconds / least:.2f} | {played.fetched / trace.asked():.2f} "
                f"| {played.fetched / trace.needed:.2f} | {played.requests} |"
            )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
