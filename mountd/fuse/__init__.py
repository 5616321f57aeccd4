"""The kernel's door: the tree as a FUSE mount. The only room that imports pyfuse3.

Owns how kernel requests become calls on fs.interface, how errors become errnos, and a mount's life. Knows nothing of
stores, caches or the control socket.
"""
