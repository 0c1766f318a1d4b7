"""Certificates for the parts of a cluster, as files of a folder: of one authority (ca.pem) for this
machine (part.pem, part.key) and for the name cluster.test (named.pem, named.key); of another one
(other-ca.pem) for this machine (other.pem, other.key)."""

import sys

import trustme

folder = sys.argv[1]


def issue(authority, name, *identities):
    issued = authority.issue_cert(*identities)
    issued.private_key_pem.write_to_path(f"{folder}/{name}.key")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(f"{folder}/{name}.pem", append=True)


authority, other = trustme.CA(), trustme.CA()
authority.cert_pem.write_to_path(f"{folder}/ca.pem")
other.cert_pem.write_to_path(f"{folder}/other-ca.pem")
issue(authority, "part", "localhost", "127.0.0.1", "::1")
issue(authority, "named", "cluster.test")
issue(other, "other", "localhost", "127.0.0.1", "::1")
