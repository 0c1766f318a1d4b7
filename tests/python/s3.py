"""A server that speaks S3 on a free port, and a client to look at what it holds.

serve                     prints the server's URL when it is up; ends when stdin does
put URL KEY FILE ACL      get URL KEY FILE
list URL                  every key of the bucket, one a line
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


def serve():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client(url).create_bucket(Bucket=BUCKET)
    print(url, flush=True)
    sys.stdin.read()
    server.stop()


def main():
    command, *rest = sys.argv[1:]
    if command == "serve":
        return serve()
    s3 = client(rest[0])
    if command == "put":
        s3.put_object(Bucket=BUCKET, Key=rest[1], Body=open(rest[2], "rb").read(), ACL=rest[3])
    elif command == "get":
        with open(rest[2], "wb") as file:
            file.write(s3.get_object(Bucket=BUCKET, Key=rest[1])["Body"].read())
    elif command == "list":
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for item in page.get("Contents", []):
                print(item["Key"])
    elif command == "uploads":
        for upload in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
            print(upload["Key"])


main()
