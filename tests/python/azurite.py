"""Azurite, Microsoft's server for tests of Azure's blob storage, on a free port, and a client
to look at what it holds.

serve AZURITE             prints the server's URL when it is up; ends when stdin does
put URL KEY FILE          get URL KEY FILE
list URL                  every key of the container, one a line
spread URL FILE KEY…      puts the file under each key
differing URL FILE KEY…   the keys whose objects are not this file
"""

import os
import pathlib
import re
import signal
import subprocess
import sys

CONTAINER = "data"
ACCOUNT = "devstoreaccount1"
# The one key of Azurite, which its documentation gives.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def container(url):
    from azure.storage.blob import ContainerClient

    return ContainerClient(f"{url}/{ACCOUNT}", CONTAINER, credential={"account_name": ACCOUNT, "account_key": KEY})


def serve(azurite):
    node = pathlib.Path(sys.executable).with_name("node")
    main = pathlib.Path(azurite, "node_modules/azurite/dist/src/blob/main.js")
    options = ["--blobPort", "0", "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    # In a group of its own: this node is a script that starts the real one.
    command = [node, main, *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        url = next(found[0] for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:[1-9]\d*", line)))
        container(url).create_container()
        print(url, flush=True)
        sys.stdin.read()
    finally:
        os.killpg(server.pid, signal.SIGKILL)


def main():
    command, *rest = sys.argv[1:]
    if command == "serve":
        return serve(*rest)
    blobs = container(rest[0])
    if command == "put":
        blobs.upload_blob(rest[1], pathlib.Path(rest[2]).read_bytes(), overwrite=True)
    elif command == "get":
        pathlib.Path(rest[2]).write_bytes(blobs.download_blob(rest[1]).readall())
    elif command == "spread":
        for key in rest[2:]:
            blobs.upload_blob(key, pathlib.Path(rest[1]).read_bytes(), overwrite=True)
    elif command == "differing":
        for key in rest[2:]:
            if blobs.download_blob(key).readall() != pathlib.Path(rest[1]).read_bytes():
                print(key)
    elif command == "list":
        for name in blobs.list_blob_names():
            print(name)


main()
