"""Order entry: the order operations of programs and pages, with one handler for all of them.

An entry point (the order app, a DRF view, the socket, a page) authenticates, calls `admit` and
decodes the request into its struct; `handle` takes and returns structs; the entry point encodes
the reply.
"""
