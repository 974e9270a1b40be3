"""A mail server for sender.sh that keeps a line of each mail that it has accepted: "message_id address". It knows
nobody called nobody, and says every 13th time to come again later. As long as there is a file HOLD, it does not answer
the command that the file names, RCPT or DATA, and says so by a file HOLD.reached.

    smtp_catcher.py LOG PORT_FILE HOLD
"""
import itertools
import os
import re
import socketserver
import sys
import threading
import time

log = open(sys.argv[1], "a", encoding="ascii")
lock = threading.Lock()
asked = itertools.count(1)


def hold(command):
    try:
        with open(sys.argv[3], encoding="ascii") as file:
            if file.read().strip() != command:
                return
    except FileNotFoundError:
        return
    open(sys.argv[3] + ".reached", "w", encoding="ascii").close()
    while os.path.exists(sys.argv[3]):
        time.sleep(0.02)


class Session(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode("ascii") + b"\r\n")

    def handle(self):
        self.say("220 catcher")
        address = ""
        while line := self.rfile.readline().decode("ascii").strip():
            verb = line[:4].upper()
            if verb == "RCPT":
                address = re.search("<(.*)>", line).group(1)
                hold("RCPT")
                if address.startswith("nobody@"):
                    self.say("550 no such user")
                elif next(asked) % 13 == 0:
                    self.say("451 come again later")
                else:
                    self.say("250 ok")
            elif verb == "DATA":
                self.say("354 go ahead")
                self.accept(address)
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def accept(self, address):
        message_id = "?"
        for line in iter(self.rfile.readline, b".\r\n"):
            if not line:
                return  # the sender has died: it was never ours
            if match := re.match(rb"Message-ID: <(\d+)\.", line):
                message_id = match.group(1).decode("ascii")
        with lock:
            print(message_id, address, file=log, flush=True)
        hold("DATA")
        self.say("250 ok")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # senders are killed here


with Server(("127.0.0.1", 0), Session) as server:
    with open(sys.argv[2] + ".new", "w", encoding="ascii") as file:
        print(server.server_address[1], file=file)
    os.rename(sys.argv[2] + ".new", sys.argv[2])
    server.serve_forever()
