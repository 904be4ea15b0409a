# SPDX-License-Identifier: MIT
"""What the Python clients here share: steps, one line each, and what to say when one differs."""

import argparse
import sys
import traceback
import uuid

try:
    import redis  # noqa: F401  # only whether it is here
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

# Long enough for a machine that is busy with something else.
PATIENCE_S = 20

# A run's keys are its own, so that any server will do, whatever is on it already.
_prefix = ""


def begin(title):
    global _prefix
    _prefix = f"clients:{uuid.uuid4()}:"
    say(title)


def key(name):
    return _prefix + name


def same(got, wanted, what=""):
    if got != wanted or type(got) is not type(wanted):
        raise AssertionError(f"{what or 'it'} is {got!r:.300} and not {wanted!r:.300}")


def within(got, least, most, what):
    if not least <= got <= most:
        raise AssertionError(f"{what} is {got!r} and not between {least} and {most}")


def raises(kinds, words, call):
    """The call raises exactly this kind, or one of these; its text begins with the words."""
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    names = " or ".join(kind.__name__ for kind in kinds)
    try:
        result = call()
    except Exception as failed:  # whatever it is, it is compared
        if type(failed) not in kinds or not str(failed).startswith(words):
            raise AssertionError(f"{failed!r} is not a {names} of {words!r}") from failed
        return
    raise AssertionError(f"{result!r} came, and not a {names} of {words!r}")


def arguments(about):
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("port", type=int, help="of a server on 127.0.0.1")
    parser.add_argument("--reconnect", action="store_true",
                        help="only this: print `ready`, and go on when the server was killed then")
    parser.add_argument("--password", help="only this: who has it is let in, and nobody else")
    return parser.parse_args()


def say(line):
    print(line, flush=True)


def run(steps, *given):
    """One line a step, named by its first line of documentation; exit code 1 at the first failure."""
    for step in steps:
        name = (step.__doc__ or step.__name__).splitlines()[0]
        try:
            step(*given)
        except Exception:  # all of it goes to who reads the line
            say(f"FAILED   {name}\n{traceback.format_exc()}")
            sys.exit(1)
        say(f"ok       {name}")
