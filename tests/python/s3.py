"""A server that speaks S3 on a free port, and a client to look at what it holds. Google's
XML API is the same but for its headers, and the server takes those too.

serve [SHARE]             prints the server's URL when it is up; ends when stdin does; this share of
                          the requests fails with 503
put URL KEY FILE [ACL]    get URL KEY FILE
list URL                  every key of the bucket, one a line
delete URL KEY
spread URL FILE KEY…      puts the file under each key
differing URL FILE KEY…   the keys whose objects are not this file
uploads URL               keys of uploads that were neither completed nor aborted
"""

import sys

BUCKET = "data"


def client(url):
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )


def serve(share=0.0):
    import logging
    import random
    import threading

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    moto = DomainDispatcherApplication(create_backend_app)

    numbers = random.Random(1)

    def application(environ, start_response):
        if numbers.random() < share:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        # What Google's clients send; moto looks for a region in it and finds none.
        if environ.get("HTTP_AUTHORIZATION", "").startswith("Bearer"):
            del environ["HTTP_AUTHORIZATION"]
        return moto(environ, start_response)

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.port}"
    client(url).create_bucket(Bucket=BUCKET)
    print(url, flush=True)
    sys.stdin.read()


def main():
    command, *rest = sys.argv[1:]
    if command == "serve":
        return serve(*map(float, rest))
    s3 = client(rest[0])
    if command == "put":
        acl = {"ACL": rest[3]} if rest[3:] else {}
        s3.put_object(Bucket=BUCKET, Key=rest[1], Body=open(rest[2], "rb").read(), **acl)
    elif command == "get":
        with open(rest[2], "wb") as file:
            file.write(s3.get_object(Bucket=BUCKET, Key=rest[1])["Body"].read())
    elif command == "spread":
        body = open(rest[1], "rb").read()
        for key in rest[2:]:
            s3.put_object(Bucket=BUCKET, Key=key, Body=body, ACL="public-read")
    elif command == "differing":
        body = open(rest[1], "rb").read()
        for key in rest[2:]:
            if s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() != body:
                print(key)
    elif command == "delete":
        s3.delete_object(Bucket=BUCKET, Key=rest[1])
    elif command == "list":
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for item in page.get("Contents", []):
                print(item["Key"])
    elif command == "uploads":
        for upload in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
            print(upload["Key"])


main()
