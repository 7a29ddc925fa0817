"""Texts that must pass unchanged, byte for byte, both ways."""

TEXTS = {
    "japanese": "お問い合わせありがとうございます。少々お待ちください。",
    "emoji": "了解です👍🏽 👨‍👩‍👧‍👦 🇯🇵 ✌️",
    "astral": "𠮷野家で𩸽を食べる",
    "whitespace": "  先頭と末尾\t\n\r\n と\u3000全角 \n",
    "only a space": " ",
    "markup": "<b>&amp; &lt;script&gt; \"引用\" 'x' </b>",
    "escapes": r"\u3042 \n \\ %E3%81%82 &#12354;",
    "controls": "\u0001\u001b[31m\u007f\u0085",
    "invisible": "\ufeff\u200bあ\u2028い\u2029う\u202eえ",
    "combining": "か\u3099 が é e\u0301 ﾊﾟ ㍿",
    "json": '{"type": "end", "message": null}',
    "long": "長い文章。" * 2_000,
}
