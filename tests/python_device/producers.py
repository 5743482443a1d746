"""Arrays on a device as other libraries hand them out, with DLPack written by hand."""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p

import numpy as np

from relweave import _core

FLOAT32 = (2, 32, 1)


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", ctypes.POINTER(c_int64)),
        ("strides", ctypes.POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


class Legacy(ctypes.Structure):
    name, used = b"dltensor", b"used_dltensor"
    _fields_ = [("tensor", Tensor), ("context", c_void_p), ("deleter", c_void_p)]


class Versioned(ctypes.Structure):
    name, used = b"dltensor_versioned", b"used_dltensor_versioned"
    _fields_ = [
        ("major", c_uint32),
        ("minor", c_uint32),
        ("context", c_void_p),
        ("deleter", c_void_p),
        ("flags", c_uint64),
        ("tensor", Tensor),
    ]


DELETER = ctypes.CFUNCTYPE(None, c_void_p)
api = ctypes.pythonapi
api.PyCapsule_New.restype = ctypes.py_object
api.PyCapsule_New.argtypes = [c_void_p, ctypes.c_char_p, c_void_p]
api.PyCapsule_GetPointer.restype = c_void_p
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_GetName.restype = ctypes.c_char_p
api.PyCapsule_GetName.argtypes = [ctypes.py_object]
api.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]

LENT = {}
"""Tensors that were handed out and not given back, by address."""


def tensor_of(capsule):
    """Return the tensor of a capsule that nobody took over, without taking it over."""
    name = api.PyCapsule_GetName(capsule)
    struct = {kind.name: kind for kind in (Legacy, Versioned)}[name]
    return struct.from_address(api.PyCapsule_GetPointer(capsule, name))


def take(capsule):
    """Take a capsule over as a consumer does; return the struct and what gives it back."""
    managed = tensor_of(capsule)
    api.PyCapsule_SetName(capsule, type(managed).used)
    return managed, lambda: DELETER(managed.deleter)(ctypes.addressof(managed))


class Producer:
    """A matrix in memory of an emulated device; notes how it is asked for and given back."""

    struct: type = Versioned

    def __init__(self, values, *, device=0, **tensor):
        values = np.ascontiguousarray(values, np.float32)
        self.memory = _core.DeviceArray.upload(values.reshape(1, -1), device=device)
        self.device = device
        self.fields = {"shape": values.shape, "strides": None, "byte_offset": 0, **tensor}
        self.asked = []
        self.lent = self.given_back = 0

    def __dlpack_device__(self):
        return 2, self.device

    def __dlpack__(self, *, stream=None, max_version=None):
        self.asked.append({"stream": stream, "max_version": max_version})
        return self.capsule()

    def capsule(self):
        managed = self.struct()
        shape, strides = self.fields["shape"], self.fields["strides"]
        numbers = [None if n is None else (c_int64 * max(len(n), 1))(*n) for n in (shape, strides)]
        memory = self.memory.to_dlpack(versioned=False, copied=False)
        code, bits, lanes = self.fields.get("dtype", FLOAT32)
        managed.tensor = Tensor(
            tensor_of(memory).tensor.data,
            *self.fields.get("claims", (2, self.device)),
            len(shape),
            code,
            bits,
            lanes,
            numbers[0],
            numbers[1],
            self.fields["byte_offset"],
        )
        if self.struct is Versioned:
            managed.major, managed.minor = self.fields.get("version", (1, 1))
        address = ctypes.addressof(managed)

        def give_back(at):
            assert at == address
            self.given_back += 1
            del LENT[address]

        deleter = DELETER(give_back)
        managed.deleter = ctypes.cast(deleter, c_void_p)
        LENT[address] = managed, numbers, deleter, memory
        self.lent += 1
        return api.PyCapsule_New(address, self.struct.name, None)


class OldProducer(Producer):
    """One from before version 1 of the protocol."""

    struct = Legacy

    def __dlpack__(self, *, stream=None):
        self.asked.append({"stream": stream})
        return self.capsule()


class OldestProducer(Producer):
    """One that knows no streams either."""

    struct = Legacy

    def __dlpack__(self):
        self.asked.append({})
        return self.capsule()
