#!/usr/bin/env python3
"""Compresses standard input as Windows does for WofCompressedData, by wimlib:

    compress.py ALGORITHM CHUNKSIZE < file > stream
"""
import ctypes
import struct
import sys

algorithm, chunk = sys.argv[1], int(sys.argv[2])
lib = ctypes.CDLL("libwim.so.15")
lib.wimlib_compress.restype = ctypes.c_size_t
lib.wimlib_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
compressor = ctypes.c_void_p()
kind = {"xpress": 1, "lzx": 2}[algorithm]
level = int(sys.argv[3]) if len(sys.argv) > 3 else 50
if lib.wimlib_create_compressor(kind, ctypes.c_size_t(chunk), level, ctypes.byref(compressor)):
    sys.exit("no compressor")

data = sys.stdin.buffer.read()
chunks = []
for at in range(0, len(data), chunk):
    part = data[at:at + chunk]
    out = ctypes.create_string_buffer(len(part))
    n = lib.wimlib_compress(part, len(part), out, len(part) - 1, compressor)
    chunks.append(out.raw[:n] if n else part)
at, table = 0, b""
for c in chunks[:-1]:
    at += len(c)
    table += struct.pack("<I", at)
sys.stdout.buffer.write(table + b"".join(chunks))
