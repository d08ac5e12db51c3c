# Reads phone numbers with Google's rules as ported to Python (the PyPI package phonenumbers).
#
#   .venv/bin/python phones.py
#
# Reads JSON lines from standard input, each a list of [text, region], and answers each with
# {"event":"read","items":[…]}: the number in E.164 form, or null where it is none.
import json
import sys

import phonenumbers


def read(text, region):
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


for line in sys.stdin:
    items = [read(text, region) for text, region in json.loads(line)]
    print(json.dumps({"event": "read", "items": items}), flush=True)
