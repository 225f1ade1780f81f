"""The lab: real hosts from network namespaces, real servers on them, and the programs under test.

Used by the functional tests, tools/demo and tools/lab. Standard library only, root, /usr/bin/python3.
"""
