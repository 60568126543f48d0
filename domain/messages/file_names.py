"""Names of files that people are given: what strangers called them is a text like any other."""

import unicodedata
from collections.abc import Mapping

_LONGEST = 70
"""Characters; a header has room for so many of any script."""
_LONGEST_EXTENSION = 10
_EXTENSIONS: Mapping[str, tuple[str, ...]] = {
    "image/jpeg": ("jpg", "jpeg"),
    "image/png": ("png",),
    "image/webp": ("webp",),
    "video/mp4": ("mp4", "m4v", "mov"),
    "video/3gpp": ("3gp",),
    "audio/aac": ("aac",),
    "audio/amr": ("amr",),
    "audio/mpeg": ("mp3",),
    "audio/mp4": ("m4a",),
    "audio/ogg": ("ogg", "oga", "opus"),
    "application/pdf": ("pdf",),
}
"""MIME type that bytes prove -> the extensions of such files, the usual one first."""
_STARTED = frozenset(
    (
        *("ade", "adp", "app", "appimage", "asp", "bas", "bat", "cer", "chm", "cmd", "com", "command", "cpl", "crt"),
        *("csh", "der", "desktop", "dll", "exe", "fxp", "gadget", "hlp", "hta", "htm", "html", "img", "inf", "ins"),
        *("iso", "isp", "its", "jar", "js", "jse", "ksh", "lib", "lnk", "mad", "maf", "mag", "mam", "maq", "mar"),
        *("mas", "mat", "mau", "mav", "maw", "mda", "mdb", "mde", "mdt", "mdw", "mdz", "mht", "mhtml", "msc", "msh"),
        *("msh1", "msh2", "mshxml", "msi", "msp", "mst", "ops", "pcd", "pif", "plg", "prf", "prg", "ps1", "ps1xml"),
        *("ps2", "ps2xml", "psc1", "psc2", "py", "reg", "scf", "scr", "sct", "sh", "shb", "shs", "shtml", "svg"),
        *("sys", "tmp", "url", "vb", "vbe", "vbs", "vhd", "vhdx", "vps", "vsmacros", "vss", "vst", "vsw", "vxd"),
        *("webloc", "workflow", "ws", "wsc", "wsf", "wsh", "xht", "xhtml", "xnk"),
    )
)
"""Extensions of files that do something, or open in a browser, when they are opened; Amazon SES takes no mail with most
of them."""


def file_name(given: str | None, kind: str, proven_type: str | None) -> str:
    """Returns a name for a file on somebody's computer: one line, without folders and characters that change the
    reading direction, with the extension of what its bytes prove. A file that would do something when it is opened gets
    the extension `bin`. `given`: the name in the message; `kind`: of the message, the name if it has none."""
    name = "".join(_kept(char) for char in given or "").strip(" .")
    stem, dot, extension = name.rpartition(".")
    if not dot or not extension.isalnum() or len(extension) > _LONGEST_EXTENSION:
        stem, extension = name, ""
    usual = _EXTENSIONS.get(proven_type or "")
    if usual is not None and extension.lower() not in usual:
        stem, extension = name, usual[0]
    elif extension.lower() in _STARTED or not extension:
        stem, extension = name, "bin"
    return f"{stem[:_LONGEST].rstrip(' .') or kind}.{extension}"


def _kept(char: str) -> str:
    if char in '/\\:*?"<>|%;':
        return "-"
    return "" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") else char
