"""Which hosts are Salesforce's own?"""

import re

# Where Salesforce keeps its chat servers.
SALESFORCE_DOMAINS = (".salesforceliveagent.com", ".salesforcescrt.com")
# Labels of at most 63 characters, 200 altogether.
HOST_NAME = re.compile(r"(?=.{1,200}$)([A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}")


def may_follow(host: str, url: str) -> str | None:
    """Return the host that a `SwitchServer` names, None if it is not to be trusted.

    Only Salesforce's own domains are followed; a stand-in on this machine may
    name another one on this machine.
    """
    found = re.fullmatch(r"(https?)://([A-Za-z0-9.-]+)(:[0-9]{1,5})?(/.*)?", url)
    if not found or not HOST_NAME.fullmatch(found[2]):
        return None
    scheme, name, port, _ = found.groups()
    if port and not 0 < int(port[1:]) < 65536:
        return None
    ours = re.fullmatch(r"https?://(127\.0\.0\.1|localhost)(:[0-9]+)?", host)
    if ours and name in {"127.0.0.1", "localhost"}:
        return f"{scheme}://{name}{port or ''}"
    trusted = name.lower().endswith(SALESFORCE_DOMAINS)
    return f"https://{name}" if scheme == "https" and trusted and not port else None
