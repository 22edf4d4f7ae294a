"""Bits, bytes, binary prefixes and named links; knows line rates, not what a protocol leaves of them."""

from __future__ import annotations

import re
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

_PREFIX = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BINARY = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")

INFINIBAND_Gbps = {"SDR": 10, "DDR": 20, "QDR": 40, "FDR": 56, "EDR": 100, "HDR": 200, "NDR": 400, "XDR": 800}
"""Marketed rate of a 4x port in each direction (InfiniBand Trade Association roadmap); SDR to QDR carry 20% less."""

NVLINK_GBps = {"1": 80.0, "2": 150.0, "3": 300.0, "4": 450.0, "5": 900.0, "P100": 80.0, "V100": 150.0, "A100": 300.0,
               "H100": 450.0, "H200": 450.0, "GH200": 450.0, "B200": 900.0, "GB200": 900.0, "B300": 900.0}
"""Bandwidth of one GPU in each direction, by generation or GPU; data sheets print the double (NVIDIA NVLink page)."""

PCIE_LANE_GBps = {"1": 2.5 * 0.8 / 8, "2": 5 * 0.8 / 8, "3": 8 * 128 / 130 / 8, "4": 16 * 128 / 130 / 8,
                  "5": 32 * 128 / 130 / 8, "6": 64 * 242 / 256 / 8}
"""One lane in each direction after line coding: transfer rate x coding / 8 (PCI-SIG base specifications)."""

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGTP]?)(b|B|bits?|bytes?)(?:\s*/\s*s(?:ec)?|ps|\s+per\s+second)\b")
_BARE = re.compile(r"\d\s*[kKMGTP][bB]s?\b")
_SIZES: dict[str, Any] = {"ge": 0, "le": 1e18, "unit": "bytes", "words": ["size", "file", "transfer", "copy", "move"]}
_LINK: dict[str, Any] = {"gt": 0, "le": 1e6, "unit": "Gbit/s", "words": ["link", "nic", "network", "over", "Gbps"]}


@formula("boe.unit_ratio", cases=[
    Case({"binary_over_decimal": "KiB..PiB"}, {"result": [1.024, 1.048576, 1.073742, 1.099512, 1.1259]}, rel=1e-4,
         source="IEC 80000-13; arithmetic"),
    Case({"binary_over_decimal": "PiB"}, {"result": 1.125899906842624}, rel=1e-12, source="1.024**5"),
])
def unit_ratio(binary_over_decimal: str = param("KiB..PiB", max_length=60)) -> float | list[float]:
    """Binary unit over its decimal namesake: one as in "GiB", or a list as in "KiB..PiB"."""
    names = re.findall(r"([KMGTPEZY])i?B?\b", binary_over_decimal, flags=re.IGNORECASE)
    powers = ["KMGTPEZY".index(name.upper()) + 1 for name in names]
    if not powers:
        raise ToolError(f"boe.unit_ratio doesn't know {binary_over_decimal!r}; write one of {', '.join(_BINARY)} or a range "
                        "such as KiB..PiB.")
    if re.search(r"\.\.|…|\bto\b|-", binary_over_decimal):
        return [1.024**power for power in range(powers[0], powers[-1] + 1)]
    if "/" in binary_over_decimal or len(powers) == 1:
        return float(1.024 ** powers[0])
    return [1.024**power for power in powers]


@formula("boe.binary_size", words=[
    "TiB", "GiB", "MiB", "tebibytes", "gibibytes", "binary units", "decimal units", "shows as", "will linux show", "os shows",
    "operating system show", "formatted", "disk shows", "in GiB", "in TiB",
], cases=[
    Case({"size_bytes": 1e12}, {"TiB": 0.909494702, "GiB": 931.322575, "TB": 1.0, "GB": 1000.0}, rel=1e-8, source="10^12 / 2^40"),
], asks=[
    Ask("How many TiB does an 8 TB disk show?", "TiB", 7.27595761),
    Ask("I bought a drive of 500 GB. How many GiB will the operating system show me?", "GiB", 465.661287),
    Ask("The node has 80 GiB of memory: how many GB is that in decimal units?", "GB", 85.8993459),
])
def binary_size(size_bytes: float = param(ge=0, le=1e24, unit="bytes", words=["size", "disk", "drive", "memory", "file", "volume", "ssd"])
                ) -> dict[str, float]:
    """A size in binary units (MiB, GiB, TiB of 1,024) and in decimal ones (MB, GB, TB of 1,000)."""
    return {**{name: size_bytes / 1024**power for name, power in (("MiB", 2), ("GiB", 3), ("TiB", 4))},
            **{name: size_bytes / 1000**power for name, power in (("MB", 2), ("GB", 3), ("TB", 4))}}


@formula("boe.transfer_s", words=["seconds to copy", "seconds to move", "how many seconds", "transfer time in seconds"], unit="s", cases=[
    Case({"TB": 1, "Gbps": 10}, {"result": 800}, rel=1e-12, source="8e12 bit / 1e10 bit/s"),
    Case({"GB": 100, "Gbps": 25, "efficiency": 0.8}, {"result": 40}, rel=1e-12, source="arithmetic"),
], asks=[
    Ask("How many seconds does it take to send 600 GB over 40 Gbps?", "result", 120.0),
    Ask("A 2 TB checkpoint goes over a 100 Gbit/s NIC at 90% efficiency. How many seconds?", "result", 177.777778),
    Ask("moving a 750 GB snapshot across a 10 Gb/s line, how many seconds do I wait?", "result", 600.0),
])
def transfer_s(
    TB: float | None = param(None, **_SIZES), GB: float | None = param(None, **_SIZES),
    MB: float | None = param(None, **_SIZES), Gbps: float = param(**{**_LINK, "words": [*_LINK["words"], "line", "path", "cable"]}),
    efficiency: float = param(1.0, gt=0, le=1, unit="fraction", words=["efficiency", "of the line rate"]),
) -> float:
    """Seconds that a size (decimal TB, GB or MB) needs over a link whose rate is in gigabits per second."""
    return _bytes("boe.transfer_s", TB, GB, MB) * 8 / (Gbps * 1e9 * efficiency)


@formula("boe.transfer_ms", words=["milliseconds to send", "ms on the wire", "how many milliseconds", "how many ms",
        "transfer time in ms"], unit="ms", cases=[
    Case({"MB": 1, "Gbps": 1}, {"result": 8}, rel=1e-12, source="8e6 bit / 1e9 bit/s"),
], asks=[
    Ask("Sending 4 MB over 1 Gbps takes how many milliseconds on the wire?", "result", 32.0),
    Ask("An 80 MB model shard is sent over 25 Gbit/s. How many milliseconds on the wire?", "result", 25.6),
    Ask("Copy 250 MB over a 10 Gbps network: how many milliseconds?", "result", 200.0),
])
def transfer_ms(
    MB: float | None = param(None, **_SIZES), GB: float | None = param(None, **_SIZES),
    TB: float | None = param(None, **_SIZES), Gbps: float = param(**_LINK),
    efficiency: float = param(1.0, gt=0, le=1, unit="fraction", words=["efficiency", "of the line rate"]),
) -> float:
    """Milliseconds that a size (decimal MB, GB or TB) needs over a link whose rate is in gigabits per second."""
    return _bytes("boe.transfer_ms", TB, GB, MB) * 8 / (Gbps * 1e6 * efficiency)


@formula("boe.needed_Gbps", unit="Gbit/s", words=["link needed", "bandwidth needed", "how fast a link", "link speed",
                                                  "must be moved within", "overnight"], cases=[
    Case({"size_bytes": 18e12, "within_s": 28_800}, {"result": 5.0}, rel=1e-12, source="18e12 * 8 / 28,800 / 1e9"),
], asks=[Ask("I must move 9 TB within 2 hours. What link speed in Gbit/s does that need?", "result", 10.0),
         Ask("Which bandwidth do I need to copy 40 TB over a weekend of 48 hours?", "result", 1.85185),
    Ask("The nightly backup is 30 TB and must finish within 6 hours. How fast a link in Gbit/s does it "
        "take at 80% efficiency?", "result", 13.8888889),
])
def needed_Gbps(
    size_bytes: float = param(**_SIZES), within_s: float = param(gt=0, le=1e9, unit="s", words=["within", "in", "window", "overnight"]),
    efficiency: float = param(1.0, gt=0, le=1, unit="fraction", words=["efficiency", "of the line rate"]),
) -> float:
    """Line rate that moves so many bytes in so many seconds: bytes * 8 / (seconds * efficiency)."""
    return size_bytes * 8 / (within_s * efficiency) / 1e9


@formula("boe.bdp_MB", words=["bandwidth delay product", "bytes in flight", "tcp buffer", "fill the pipe"],
    unit="MB", cases=[
    Case({"Gbps": 1, "rtt_ms": 150}, {"result": 18.75}, rel=1e-6, source="1e9 / 8 * 0.15 s"),
], asks=[Ask("How many MB are in flight on a 1 Gbps path with a round trip of 150 ms?", "result", 18.75),
    Ask("10 Gb/s between two continents with an RTT of 90 ms. How many MB must be in flight to fill the pipe?", "result", 112.5),
    Ask("Bandwidth delay product in MB of a 2.5 Gbps path with 40 ms round trip?", "result", 12.5),
])
def bdp_MB(
    Gbps: float = param(**_LINK), rtt_ms: float = param(ge=0, le=1e7, unit="ms", words=["rtt", "round trip", "latency"]),
) -> float:
    """Bandwidth-delay product in MB: the bytes that must be under way to fill the path."""
    return Gbps * 1e9 / 8 * rtt_ms / 1000 / 1e6


@formula("boe.window_Mbps", words=["tcp window", "receive window", "socket buffer", "window size", "one connection",
        "single connection", "throughput of one connection", "limited by the window"], unit="Mbit/s", cases=[
    Case({"window_KB": 64, "rtt_ms": 100}, {"result": 5.12}, rel=1e-12, source="64,000 B * 8 / 0.1 s"),
], asks=[
    Ask("A TCP window of 128 KB and a round trip of 50 ms: how many Mbit/s does one connection get?", "result", 20.48),
    Ask("The socket buffer is 500 KB and ping to the other region is 200 ms. What throughput in Mbit/s can a "
        "single connection reach?", "result", 20.0),
    Ask("Receive window 64 kB, RTT 20 ms. Most Mbit/s of one connection?", "result", 25.6),
])
def window_Mbps(
    window_KB: float = param(gt=0, le=1e9, unit="bytes", words=["window", "buffer", "window of", "receive window", "socket buffer",
        "tcp window", "unacknowledged"]),
    rtt_ms: float = param(gt=0, le=1e7, unit="ms", words=["rtt", "round trip", "latency", "ping"]),
) -> float:
    """Most that one connection carries when its window (in units of 1,000 bytes) must be acknowledged each round trip."""
    return window_KB * 1e3 * 8 / (rtt_ms / 1000) / 1e6


@formula("boe.GBps", words=["gigabytes per second", "GB/s", "gigabytes a second", "bits to bytes", "in bytes", "convert gigabit",
        "GB per second", "GB a second"], unit="GB/s", cases=[Case({"Gbps": 400}, {"result": 50}, rel=1e-12, source="8 bits a byte")],
        asks=[
    Ask("How many gigabytes per second is a 200 Gbit/s link?", "result", 25.0),
    Ask("We bought 100 Gbps NICs. How many GB/s of data is that?", "result", 12.5),
    Ask("What does a 2.5 Gbps line carry in GB/s?", "result", 0.3125),
])
def GBps(Gbps: float = param(ge=0, le=1e9, unit="Gbit/s", words=["link", "Gbps", "nic", "network", "line", "ethernet", "port"])) -> float:
    """Gigabytes per second of a rate in gigabits per second."""
    return Gbps / 8


@formula("boe.links", cases=[
    Case({"link": "IB NDR 400 Gb/s", "unit": "GB/s per port per direction"}, {"result": 50}, rel=1e-12, source="400 / 8"),
    Case({"link": "10 GbE", "unit": "GB/s"}, {"result": 1.25}, rel=1e-12, source="10 / 8"),
    Case({"link": "8 x NDR NICs per DGX H100 node", "unit": "GB/s"}, {"result": 400}, rel=1e-12, source="8 * 50"),
    Case({"link": "H100 NVLink", "unit": "GB/s both directions"}, {"result": 900}, rel=1e-12, source="2 * 450"),
    Case({"link": "NVLink 4, both directions", "unit": "GB/s"}, {"result": 900}, rel=1e-12, source="2 * 450"),
    Case({"link": "NVLink 4, both directions", "unit": "GB/s per direction"}, {"result": 450}, rel=1e-12, source="18 links of 25 GB/s"),
])
def links(
    link: str = param(max_length=200, words=["link", "network", "nic"]),
    unit: str = param("GB/s", max_length=80, help="GB/s or Gb/s; per port, per direction (the default), both directions"),
) -> float:
    """Rate of a named link in each direction, in the unit asked for (GB/s counts bytes, Gb/s bits)."""
    per_port, ports = _link_GBps(link)
    told = unit.lower()
    doubled = r"both|bi-?dir|duplex|two.?way" + (r"|total|aggregate" if "nvlink" in link.lower() else "")
    both = 2 if re.search(doubled, f"{told} {link.lower()}") and "per direction" not in told else 1
    value = per_port * (1 if "per port" in told or "per nic" in told or "per link" in told else ports) * both
    found = re.match(r"\s*([kKMGTP]?)(bits?|bytes?|b|B)\s*(?:/|p|\s+per)", unit)
    if not found:
        raise ToolError(f"boe.links: {unit!r} is no rate; write GB/s for bytes or Gb/s for bits.")
    return value * 1e9 / _PREFIX[found[1]] * (8 if found[2] in ("b", "bit", "bits") else 1)


class LinkTransfer(Params):
    size_bytes: float = param(1e12, ge=1, le=1e18, unit="bytes", words=["size", "data", "file", "copy", "move", "transfer",
                                                                      "send", "of"])
    link_bits_per_s: float = param(10e9, ge=1e3, le=1e15, unit="bit/s",
                                   words=["link", "nic", "network", "Gbps", "Gb/s", "over", "line"])
    efficiency: float = param(1.0, ge=0.01, le=1, unit="fraction", words=["efficiency", "of the line rate", "goodput"])
    rtt_ms: float = param(0.0, ge=0, le=60_000, unit="ms", words=["rtt", "round trip", "latency"])
    window_bytes: float | None = param(None, ge=1, le=1e12, unit="bytes", words=["window", "socket buffer"],
                                       help="bytes that may be unacknowledged; none: no limit")


@tool("link-transfer", group="A", words=["transfer time", "how long does it take to copy", "over a link", "bits or bytes",
                                         "bandwidth-delay product", "Gbps"],
      example={"size_bytes": 1e12, "link_bits_per_s": 10e9},
      cases=[Case({"size_bytes": 1e12, "link_bits_per_s": 1e10}, {"transfer_s": 800}, rel=1e-12, source="arithmetic"),
             Case({"size_bytes": 1e6, "link_bits_per_s": 1e9}, {"transfer_s": 0.008}, rel=1e-12, source="arithmetic"),
             Case({"size_bytes": 1e9, "link_bits_per_s": 1e9, "rtt_ms": 150, "window_bytes": 64_000},
                  {"bdp_MB": 18.75, "rate_GBps": 64_000 / 0.15 / 1e9}, rel=1e-9, source="window / round trip")],
      asks=[Ask("How long does it take to copy 1 TB over a 10 Gbps link?", "transfer_s", 800),
            Ask("Send 40 GB over a 25 Gbit/s network at 80% efficiency: how many seconds?", "transfer_s", 16),
            Ask("What is the bandwidth-delay product of a 1 Gb/s link with a 150 ms round trip?", "bdp_MB", 18.75),
            Ask("We move a 500 MB file across a 100 Mbps line. Transfer time?", "transfer_s", 40),
            Ask("How many hours does it take to move 90 TB over a 20 Gbps line?", "transfer_h", 10)])
def link_transfer(p: LinkTransfer, seed: int) -> ToolResult:
    """How long bytes need over a link that is sold in bits.

    Time is size x 8 over the line rate times its efficiency, plus half a round trip until the last byte lands. A
    window smaller than the bandwidth-delay product caps one connection at window / round trip, whatever the link.

    People get wrong: "10 Gb" read as 10 GB/s is a factor of 8; and a fat long path stays empty with a small window.

    Sources: arithmetic; RFC 1072 for the bandwidth-delay product.

    >>> link_transfer(LinkTransfer(size_bytes=1e12, link_bits_per_s=10e9), 0).values["transfer_s"]
    800.0
    """
    line = p.link_bits_per_s * p.efficiency / 8
    windowed = p.window_bytes / (p.rtt_ms / 1000) if p.window_bytes is not None and p.rtt_ms > 0 else line
    rate = min(line, windowed)
    seconds = p.size_bytes / rate + p.rtt_ms / 2000
    naive = p.size_bytes / p.link_bits_per_s
    sizes = [p.size_bytes * 10.0**power for power in range(-3, 4)]
    warnings = ["The window, not the link, is the limit: raise the window or open more connections."] if rate < line else []
    return ToolResult(
        tool="link-transfer",
        values={"transfer_s": seconds, "transfer_h": seconds / 3600, "rate_GBps": rate / 1e9, "rate_Gbps": rate * 8 / 1e9,
                "bdp_MB": p.link_bits_per_s / 8 * p.rtt_ms / 1000 / 1e6},
        units={"transfer_s": "s", "transfer_h": "h", "rate_GBps": "GB/s", "rate_Gbps": "Gbit/s", "bdp_MB": "MB"},
        naive={"transfer_s": naive},
        summary=f"{p.size_bytes / 1e9:.4g} GB at {rate / 1e9:.4g} GB/s take {_time(seconds)}; bits taken for bytes would "
        f"promise {_time(naive)}.",
        formula="seconds = bytes * 8 / (bit/s * efficiency) + rtt / 2; one connection <= window / rtt; BDP = bit/s / 8 * rtt",
        series={"size_bytes": list(sizes), "transfer_s": [size / rate + p.rtt_ms / 2000 for size in sizes]},
        plot=Plot(title="Links count bits, files count bytes: a factor of 8",
                  x_label="size (GB)", y_label="time (s)", log_x=True, log_y=True, lines=[
            Line(label="8 bits a byte", x=[size / 1e9 for size in sizes],
                 y=[size / rate + p.rtt_ms / 2000 for size in sizes]),
            Line(label="bits taken for bytes (naive)", x=[size / 1e9 for size in sizes],
                 y=[size / p.link_bits_per_s for size in sizes], dashed=True)],
                  marks=[{"axis": "x", "at": p.size_bytes / 1e9, "label": f"this size: {p.size_bytes / 1e9:,.4g} GB"}]),
        assumptions=["decimal units; nothing else on the link", "headers only as far as efficiency says"],
        warnings=warnings,
    )


def _bytes(name: str, TB: float | None, GB: float | None, MB: float | None) -> float:
    given = [size * scale for size, scale in ((TB, 1e12), (GB, 1e9), (MB, 1e6)) if size is not None]
    if len(given) != 1:
        raise ToolError(f"{name} needs exactly one of TB, GB and MB.")
    return given[0]


def _link_GBps(link: str) -> tuple[float, int]:
    """(GB/s in each direction of one port, ports) of a text such as "8 x NDR NICs"."""
    times = re.match(r"\s*(\d+)\s*(?:x|×|\*)\s+(?=\S)", link)
    ports, text = (int(times[1]), link[times.end():]) if times else (1, link)
    words = [word.upper() for word in re.findall(r"[A-Za-z]+\d*|\d+(?:\.\d+)?", text)]
    if "nvlink" in text.lower():
        return next((NVLINK_GBps[key] for key in _keys(words, "NVLINK") if key in NVLINK_GBps), 450.0), ports
    if "pcie" in text.lower():
        lanes = re.search(r"[x×]\s*(\d+)", text)
        generation = next((key for key in _keys(words, "PCIE", "GEN") if key in PCIE_LANE_GBps), None)
        if lanes and generation:
            return PCIE_LANE_GBps[generation] * int(lanes[1]), ports
    text = re.sub(r"(?i)\b(kilo|mega|giga|tera)(bit|byte)", lambda word: word[1][0].upper() + word[2].lower(), text)
    rate = _RATE.search(text)
    if rate:
        return float(rate[1]) * _PREFIX[rate[2]] / 1e9 / (8 if rate[3].startswith("b") and rate[3][:2] != "by" else 1), ports
    ethernet = re.search(r"(\d+(?:\.\d+)?)?\s*G(?:bit|b|ig)?\s?(?:E(?:thernet)?\b|BASE)", text)
    if ethernet:
        return float(ethernet[1] or 1) / 8, ports
    generation = next((word for word in words if word in INFINIBAND_Gbps), None)
    if generation:
        return INFINIBAND_Gbps[generation] / 8, ports
    if _BARE.search(text):
        raise ToolError(f"boe.links: {link!r} leaves open whether it is Gb/s (bits) or GB/s (bytes); write one of them.")
    raise ToolError(f"boe.links doesn't know {link!r}; write a rate such as 25 Gb/s, or 10 GbE, IB NDR, H100 NVLink, PCIe 5 "
                    "x16.")


def _keys(words: list[str], *heads: str) -> list[str]:
    """The words, and numbers that are glued to one of the heads: NVLINK4 gives 4 as well; 5.0 gives 5."""
    glued = [word[len(head):] for word in words for head in heads if word.startswith(head)]
    return [re.sub(r"\.0$", "", word) for word in [*words, *glued]]


def _time(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3_600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= size:
            return f"{seconds / size:.4g} {name}"
    return f"{seconds * 1e9:.4g} ns"
