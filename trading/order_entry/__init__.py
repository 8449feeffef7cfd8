"""Order entry: the operations that programs and pages ask for, and the one handler of them all.

A door (the order app, a DRF view, a page) authenticates, calls `admit` and reads the request into
its struct; `handle` takes and returns structs; the door encodes the answer.
"""
