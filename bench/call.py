"""`python -m bench.call module:function`: one function inside Django.

Takes its arguments as a JSON object on standard input and prints what it returns as JSON.
"""

import importlib
import json
import sys

import django


def main() -> None:
    module_name, _, function_name = sys.argv[1].partition(":")
    arguments = json.load(sys.stdin)
    django.setup()
    function = getattr(importlib.import_module(module_name), function_name)
    print(json.dumps(function(**arguments)))


if __name__ == "__main__":
    main()
