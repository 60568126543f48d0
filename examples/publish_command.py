"""Publishes one signed command and prints its id. The result on witiop.command-results.v1 has the same id.

WITIOP_COMMAND_SECRET=... python examples/publish_command.py --bootstrap HOST:PORT --issuer boss recall '{...}'
"""

import argparse
import hashlib
import hmac
import json
import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from kafka import KafkaProducer

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--bootstrap", required=True)
parser.add_argument("--topic", default="witiop.commands.v1")
parser.add_argument("--issuer", required=True)
parser.add_argument("command", help="e.g. transfer, recall, email, campaign.start")
parser.add_argument("data", help="JSON, see docs/events/schemas")
args = parser.parse_args()
secret = os.environ.get("WITIOP_COMMAND_SECRET") or parser.error("set WITIOP_COMMAND_SECRET, which signs commands")
now, value, command_id = datetime.now(UTC), args.data.encode(), str(uuid4())
signed = {  # in the order of the signature
    "ce_id": command_id,
    "ce_type": f"witiop.command.{args.command}.v1",
    "ce_source": "/examples/publish_command",
    "ce_time": now.isoformat(),
    "witiop_issuer": args.issuer,
    "witiop_expires": (now + timedelta(minutes=5)).isoformat(),
}
text = "".join(f"{header}\n" for header in signed.values()).encode() + value
signature = "sha256=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
headers = {**signed, "witiop_signature": signature, "ce_specversion": "1.0", "content-type": "application/json"}
key = str((data := json.loads(value)).get("conversation_id") or data.get("campaign_id") or command_id).encode()
producer = KafkaProducer(bootstrap_servers=args.bootstrap, acks="all")
producer.send(args.topic, value, key, [(name, text.encode()) for name, text in headers.items()]).get(timeout=20)
producer.close()
print(command_id)
