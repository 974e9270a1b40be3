#!/usr/bin/env python3
"""A sender for cms: takes messages of a channel and hands them to a mail server.

    sender.py --database 'dbname=shop user=mailer' --channel EMAIL --smtp localhost:25

Any number may run at once. Killed at any moment it loses nothing: what it has taken and not acknowledged is
taken again when the lease ends. A message is delivered twice only where a sender dies between the answer of the
mail server and the acknowledgement; both mails then have the same Message-ID.
"""
import argparse
import email.message
import select
import smtplib
import sys
import time

import psycopg


class Sender:
    def __init__(self, options):
        self.options = options
        self.db = None
        self.smtp = None

    def run(self):
        while True:
            messages = self.ask(
                "SELECT message_id, lease, customer_id, poc_email, content, payload"
                " FROM cms.cms_outbox_take(%s, %s, %s, at => now() + %s::interval)",
                self.options.channel, self.options.batch, self.options.lease, self.options.later)
            for message in messages:
                self.send(*message)
            if not messages:
                if self.options.once:
                    return
                self.wait()

    def send(self, message_id, lease, customer_id, poc_email, content, payload):
        """Delivers one message, then says so: each by itself, so that a death repeats one at the most."""
        try:
            self.deliver(message_id, self.address(customer_id, poc_email), content, payload)
        except smtplib.SMTPRecipientsRefused as refused:
            (code, text), = refused.recipients.values()
            # 5xx is for ever: such a message is dead at once
            self.failed(message_id, lease, f"{code} {text.decode(errors='replace')}", 1 if code >= 500 else 10)
        except (smtplib.SMTPException, OSError) as error:
            self.smtp = None
            self.failed(message_id, lease, str(error), 10)
        else:
            self.ask("SELECT accepted FROM cms.cms_outbox_done(ARRAY[%s::bigint], %s, now() + %s::interval)",
                     message_id, lease, self.options.later)

    def failed(self, message_id, lease, error, max_attempts):
        self.ask("SELECT accepted FROM cms.cms_outbox_failed(ARRAY[%s::bigint], %s, %s, %s, at => now() + %s::interval)",
                 message_id, error, lease, max_attempts, self.options.later)

    def address(self, customer_id, poc_email):
        """cms has the addresses of points of contact. Those of customers are yours: look them up here."""
        return poc_email or f"{customer_id}@{self.options.domain}"

    def deliver(self, message_id, address, content, payload):
        mail = email.message.EmailMessage()
        mail["From"] = self.options.sender
        mail["To"] = address
        mail["Subject"] = payload["offer"]["name"]
        mail["Message-ID"] = f"<{message_id}.{payload['org']['org_id']}@{self.options.domain}>"
        mail.set_content(content)
        if self.smtp is None:
            host, port = self.options.smtp.rsplit(":", 1)
            self.smtp = smtplib.SMTP(host, int(port))
        self.smtp.send_message(mail)

    def ask(self, statement, *arguments):
        """Each statement is a transaction of its own. Every call can be repeated, so a lost connection or a
        conflict between transactions is no more than a reason to call again."""
        while True:
            try:
                if self.db is None:
                    self.db = psycopg.connect(self.options.database, autocommit=True)
                    self.db.execute("LISTEN cms_outbox")
                return self.db.execute(statement, arguments).fetchall()
            except psycopg.errors.SerializationFailure:
                continue
            except psycopg.OperationalError as error:
                print(f"sender: {error}", file=sys.stderr)
                self.db = None
                time.sleep(1)

    def wait(self):
        """Sweeps wake the senders. Failed messages come back and leases end with nobody to tell, so look
        every now and then."""
        select.select([self.db], [], [], self.options.poll)
        self.db.pgconn.consume_input()
        while self.db.pgconn.notifies():
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", default="", help="where cms is; default: PGHOST and so on")
    parser.add_argument("--channel", default="EMAIL")
    parser.add_argument("--smtp", default="localhost:25", help="host:port of the mail server")
    parser.add_argument("--sender", default="offers@example.com", help="the From address")
    parser.add_argument("--domain", default="example.com", help="customers are CUSTOMER_ID@DOMAIN")
    parser.add_argument("--batch", type=int, default=20, help="messages taken at a time")
    parser.add_argument("--lease", default="5 minutes", help="longer than a batch ever takes")
    parser.add_argument("--poll", type=float, default=30, help="seconds between two looks")
    parser.add_argument("--once", action="store_true", help="end when there is nothing left to take")
    parser.add_argument("--later", default="0", help="as if it were so much later, for tests")
    try:
        Sender(parser.parse_args()).run()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
