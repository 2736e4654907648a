# SPDX-License-Identifier: Apache-2.0
"""Reads cases, sends their requests, compares the replies. Only Python's own library: it runs wherever Postern is built."""
