"""The network front from a client's side: TLS to it, raw requests, calls as XML. Standard library only."""

import json
import socket
import ssl
import sys
import xmlrpc.client
from urllib.parse import urlsplit

facts = json.load(open(sys.argv[1]))
front = urlsplit(facts["api"])
context = ssl.create_default_context(cafile=facts["ca"])
proxy = xmlrpc.client.ServerProxy(facts["api"], context=context)


def connect():
    plain = socket.create_connection((front.hostname, front.port), timeout=30)
    return context.wrap_socket(plain, server_hostname=front.hostname)


def raw(request, to_end=True):
    """What the front answers: all of it, or one read."""
    client = connect()
    client.sendall(request if isinstance(request, bytes) else request.encode())
    answer = client.recv(10000)
    while to_end:
        more = client.recv(10000)
        if not more:
            break
        answer += more
    client.close()
    return answer


def status(answer):
    return int(answer.split(b" ", 2)[1])


def call(method, *parameters):
    """An API call's value; a failure is raised as its list of words."""
    answer = getattr(proxy, method)(*parameters)
    if answer["Status"] != "Success":
        raise Failure(answer["ErrorDescription"])
    return answer["Value"]


class Failure(Exception):
    pass


def failure(method, *parameters):
    try:
        value = call(method, *parameters)
    except Failure as failed:
        return failed.args[0]
    raise AssertionError(f"{method} came to {value!r}")


def log_in():
    return call("session.login_with_password", facts["username"], facts["password"])


def domain(name):
    [found] = [domain for domain in facts["domains"] if domain["name"] == name]
    return found
