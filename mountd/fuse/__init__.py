"""The kernel's door: the only room that imports pyfuse3. Inodes in, errnos out."""
