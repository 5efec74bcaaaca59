"""The page of a report as a template: key figures, samples, charts, texts, quarantine, all samples, origin.

Its policy (shards/cli/page.py) admits scripts, pictures and films that lie beside it, and nothing else: no script
inside the page runs, nothing is fetched from anywhere. Readable from 320 pixels on.
"""

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 90rem; padding: 1.5rem 1rem 4rem;
  color: #1c2530; background: #fff; }
p, li, b, span, td, th, dd, dt, h1, summary { unicode-bidi: isolate; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.6rem 0 .8rem; padding-bottom: .3rem; border-bottom: 1px solid #ccd5de; font-size: 1.3rem; }
h3 { margin: 0 0 .4rem; font-size: .95rem; }
.small { color: #4d5965; font-size: 13px; overflow-wrap: anywhere; } .reason { color: #a3283b; }
a { color: #0b6aa2; } nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin-top: 1rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .7rem; margin: 1.2rem 0 0; }
.figures div { background: #f4f7f9; border-radius: 6px; padding: .55rem .8rem; }
.figures dt { color: #4d5965; font-size: 13px; } .figures dd { margin: 0; font-size: 1.25rem; font-weight: 600;
  font-variant-numeric: tabular-nums; }
.bar-of-tools { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: center; margin-bottom: .9rem; }
input { font: inherit; padding: .35rem .6rem; border: 1px solid #a9b5c0; border-radius: 4px; min-width: 0; }
input[type=search] { width: min(100%, 24rem); } input[type=number] { width: 5.5rem; }
button { font: inherit; min-width: 2.2rem; padding: .3rem .5rem; border: 1px solid #a9b5c0; border-radius: 4px;
  background: #fff; color: inherit; cursor: pointer; } button:disabled { opacity: .4; cursor: default; }
:focus-visible { outline: 3px solid #0b6aa2; outline-offset: 1px; }
.pages { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: .9rem; }
.card { border: 1px solid #d5dde5; border-radius: 6px; overflow: hidden; min-width: 0; padding-bottom: .5rem;
  display: flex; flex-direction: column; }
.card > p, .card > ul { margin: .4rem .7rem 0; } .card .small { margin-top: auto; padding-top: .4rem; }
.card.bad { border: 1px dashed #d1495b; } .key { font-weight: 600; overflow-wrap: anywhere; }
.seen { background: #10161c; aspect-ratio: 16 / 9; position: relative; }
.seen video, .seen img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.seen button { position: absolute; left: .5rem; bottom: .5rem; min-width: 2.75rem; height: 2.75rem; border: 0;
  border-radius: 50%; background: #10161cb3; color: #fff; line-height: 1; }
.seen video { cursor: pointer; } .seen.playing button { opacity: 0; } .seen.playing button:focus-visible { opacity: 1; }
.card ul { padding: 0; list-style: none; } .card li { overflow-wrap: anywhere; padding: .1rem 0; }
.field { margin-right: .35rem; } .field b { color: #4d5965; font-weight: 500; font-size: 13px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 1.6rem 2rem; }
.charts > div { min-width: 0; } svg.chart { width: 100%; height: 84px; display: block; }
p.small + .charts { margin-top: 1rem } .charts + .wide { margin-top: 1.6rem; }
svg rect { fill: #2a9d5c; } svg line { stroke: #a9b5c0; } svg.bar { width: 100%; height: .7rem; display: block; }
.axis { display: flex; justify-content: space-between; font-size: 13px; color: #4d5965; }
.bars { width: 100%; table-layout: fixed; } .bars td { padding: .12rem .4rem .12rem 0; border: 0; font-size: 13px; }
.bars td:nth-child(1) { width: 40%; overflow-wrap: anywhere; text-align: left; }
.bars td:nth-child(2) { width: 22%; text-align: right; } .bars td:nth-child(3) { width: 18%; text-align: right; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; border-bottom: 1px solid #e4e9ee; vertical-align: top; }
th { font-weight: 600; white-space: nowrap; } td.number, th.number { text-align: right; }
.list td { white-space: nowrap; font-variant-numeric: tabular-nums; font-size: 14px; }
.list td:first-child { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
.list :is(td, th):is(:nth-child(4), :nth-child(5), :nth-child(6)) { text-align: right; }
.facts td { overflow-wrap: anywhere; } .facts td:first-child { color: #4d5965; min-width: 8rem; }
.examples { margin: .3rem 0 .2rem; padding-left: 1.1rem; } .examples li { overflow-wrap: anywhere; }
summary { cursor: pointer; }
"""
_HEAD = """</head>
<body data-cards="{{ num_cards }}" data-cards-per-file="{{ cards_per_file }}" data-rows="{{ num_rows }}"
data-rows-per-file="{{ rows_per_file }}">
<h1>{{ name }}</h1><p class="small">{{ url }}</p>
<dl class="figures">{% for label, value in figures %}
<div><dt>{{ label }}</dt><dd>{{ value }}</dd></div>{% endfor %}</dl>
{% for note in notes %}<p class="small">{{ note }}</p>{% endfor %}
<nav><a href="#samples">Samples</a><a href="#media">Media</a><a href="#texts">Texts</a>
<a href="#quarantine">Quarantine</a><a href="#all">All samples</a><a href="#origin">Licence and origin</a></nav>
<noscript><p class="reason">The samples are shown by a script that lies beside this page; allow it to see them.</p>
</noscript>
"""
_SAMPLES = """<h2 id="samples">Samples</h2>
<div class="bar-of-tools"><input type="search" id="find" placeholder="Search keys and texts of these samples"
aria-label="Search keys and texts of these samples"><span class="pages" id="pages"></span>
<span class="small" id="found" role="status"></span></div>
<p class="small">{{ how }} Films are cut to {{ seconds }} seconds from the middle, made small, and have no sound.
{% if num_bad %}<span class="reason">{{ num_bad }} cannot be shown; their cards say why.</span>{% endif %}</p>
<div class="grid" id="grid"></div>
"""
_CHARTS_OF = """<div class="charts">{% for chart in ALL if chart %}<div><h3>{{ chart.title }}</h3>
{% if chart.svg %}{{ chart.svg|safe }}<div class="axis"><span>{{ chart.low }}</span><span>{{ chart.high }}</span></div>
<p class="small">{{ chart.note }}</p>{% else %}<table class="bars">{% for label, count, share, bar in chart.rows %}<tr>
<td>{{ label }}</td><td>{{ count }}</td><td>{{ share }}</td><td>{{ bar|safe }}</td></tr>{% endfor %}</table>{% endif %}
</div>{% endfor %}</div>
"""
"""No macro: what a macro gives would be escaped once more."""
_MEDIA = '<h2 id="media">Media</h2>' + _CHARTS_OF.replace("ALL", "media")
_TEXTS = (
    """<h2 id="texts">Texts</h2><p class="small">{{ how_texts }}</p>
"""
    + _CHARTS_OF.replace("ALL", "texts")
    + """{% if text_rows %}<div class="wide"><table><tr>{% for title in text_titles %}
<th{{ ' class="number"'|safe if loop.index0 not in (0, 3) }}>{{ title }}</th>{% endfor %}</tr>
{% for row in text_rows %}<tr>{% for value in row %}
<td{{ ' class="number"'|safe if loop.index0 not in (0, 3) }}>{{ value }}</td>
{% endfor %}</tr>{% endfor %}</table></div>{% endif %}
{% for hint, examples in hints.items() %}<details><summary>{{ hint }}: examples</summary><ul class="examples">
{% for example in examples %}<li>{{ example }}</li>{% endfor %}</ul></details>{% endfor %}
"""
)
_REST = """<h2 id="quarantine">Quarantine</h2>
{% if quarantine %}<p>{{ num_quarantined }} left out ({{ quarantined_share }}); quarantine.jsonl has them all.</p>
<div class="wide"><table><tr><th>reason</th><th class="number">count</th><th>examples</th></tr>
{% for reason in quarantine %}<tr><td>{{ reason.kind }}</td><td class="number">{{ "{:,}".format(reason.num_rows) }}</td>
<td><ul class="examples small">{% for example in reason.examples %}<li>{{ example }}</li>{% endfor %}</ul></td></tr>
{% endfor %}</table></div>{% else %}<p>Nothing was left out.</p>{% endif %}
<h2 id="all">All samples</h2>
<div class="bar-of-tools"><input type="search" id="search" placeholder="Search all keys" aria-label="Search all keys">
<span class="pages" id="row-pages"></span><span class="small" id="listed" role="status"></span></div>
{% if num_rows != num_samples %}<p class="small">The first {{ "{:,}".format(num_rows) }} of
{{ "{:,}".format(num_samples) }} samples are listed (--rows).</p>{% endif %}
<div class="wide"><table class="list"><thead><tr><th>key</th><th>media</th><th>size</th><th>duration</th><th>bytes</th>
<th>texts</th><th>shard</th></tr></thead><tbody id="rows"></tbody></table></div>
<h2 id="origin">Licence and origin</h2>
<p>{{ licence }}</p>
<div class="wide"><table class="facts">{% for label, value in origin %}<tr><td>{{ label }}</td><td>{{ value }}</td></tr>
{% endfor %}</table></div>
<p class="small">Made by python -m tools report.</p>
<script src="page.js"></script></body></html>
"""
PAGE = f"<title>{{{{ name }}}}: report</title><style>{_STYLE}</style>" + _HEAD + _SAMPLES + _MEDIA + _TEXTS + _REST
