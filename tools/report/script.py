"""The script of the page: it loads cards and rows from files beside the page, and searches them.

It makes elements with textContent only: nothing of the data is ever taken for markup.
"""

SCRIPT = r"""'use strict';
(() => {
  const about = document.body.dataset, byId = (id) => document.getElementById(id);
  const number = (value) => value.toLocaleString('en');
  const make = (name, options, ...children) => {
    const made = Object.assign(document.createElement(name), options);
    made.append(...children);
    return made;
  };
  const waiting = {}, kept = { cards: new Map(), rows: new Map() };
  const KEPT = 6;
  for (const kind of ['cards', 'rows']) {
    window[kind] = (file, content) => {
      const files = kept[kind];
      files.set(file, content);
      if (kind === 'rows' && files.size > KEPT) files.delete(files.keys().next().value);
      (waiting[kind + file] || []).forEach((take) => take(content));
      delete waiting[kind + file];
    };
  }
  const load = (kind, file) => new Promise((resolve, reject) => {
    if (kept[kind].has(file)) return resolve(kept[kind].get(file));
    const started = waiting[kind + file];
    (waiting[kind + file] = started || []).push(resolve);
    if (started) return;
    const script = make('script', { src: `${kind}/${file}.js` });
    script.onload = () => script.remove();
    script.onerror = () => { script.remove(); delete waiting[kind + file]; reject(new Error(`${kind}/${file}.js`)); };
    document.head.append(script);
  });
  const later = (action) => { let timer = 0; return () => { clearTimeout(timer); timer = setTimeout(action, 200); }; };
  const pager = (place, page, pages, go) => {
    place.replaceChildren();
    if (pages < 2) return;
    const button = (text, to, label) => make('button', {
      type: 'button', textContent: text, disabled: to < 0 || to >= pages || to === page, ariaLabel: label,
      onclick: () => go(to) });
    const field = make('input', { type: 'number', min: 1, max: pages, value: page + 1, ariaLabel: 'page',
      onchange: () => go(Math.min(pages, Math.max(1, Math.floor(Number(field.value) || 1))) - 1) });
    place.append(button('«', 0, 'first page'), button('‹', page - 1, 'previous page'), 'page ', field,
      ` of ${number(pages)}`, button('›', page + 1, 'next page'), button('»', pages - 1, 'last page'));
  };

  const PER_PAGE = Number(about.cardsPerFile), NUM_CARDS = Number(about.cards);
  const card = (one) => {
    const made = make('article', { className: one.reason ? 'card bad' : 'card' });
    if (one.film) {
      const film = make('video', { src: one.film, poster: one.picture, muted: true, loop: true, playsInline: true,
        preload: 'none' });
      const button = make('button', { type: 'button', textContent: '▶', ariaLabel: `play ${one.key}` });
      const place = make('div', { className: 'seen' }, film, button);
      const play = () => film.play().catch(() => {}), toggle = () => film.paused ? play() : film.pause();
      film.onplaying = () => { place.classList.add('playing'); button.ariaLabel = `pause ${one.key}`; };
      film.onpause = () => { place.classList.remove('playing'); button.ariaLabel = `play ${one.key}`; };
      film.onclick = button.onclick = toggle;
      made.append(place);
    } else if (one.picture) {
      made.append(make('div', { className: 'seen' },
        make('img', { src: one.picture, alt: one.key, loading: 'lazy' })));
    }
    made.append(make('p', { className: 'key', textContent: one.key }));
    if (one.reason) made.append(make('p', { className: 'reason', textContent: `cannot be shown: ${one.reason}` }));
    const list = make('ul', {});
    for (const record of one.records) {
      const item = make('li', {});
      record.forEach(([name, text], at) => {
        if (at) item.append(' ');
        const field = make('span', { className: 'field' });
        if (name) field.append(make('b', { textContent: name }), ' ');
        field.append(make('span', { textContent: text }));
        item.append(field);
      });
      list.append(item);
    }
    if (one.more) list.append(make('li', { className: 'small', textContent: `and ${number(one.more)} more` }));
    if (list.children.length) made.append(list);
    made.append(make('p', { className: 'small', textContent: `${one.facts} · ${one.size} · ${one.shard}` }));
    return made;
  };
  const words = (one) => [one.key, one.reason, ...one.records.flat(2)].join('\n').toLowerCase();
  let asked = 0;
  const showCards = async (page) => {
    const turn = ++asked, wanted = byId('find').value.trim().toLowerCase();
    const files = Math.ceil(NUM_CARDS / PER_PAGE);
    let found, total = NUM_CARDS;
    try {
      if (wanted) {
        const all = [];
        for (let file = 0; file < files; file++) all.push(...await load('cards', file));
        const hits = all.filter((one) => words(one).includes(wanted));
        total = hits.length;
        found = hits.slice(page * PER_PAGE, (page + 1) * PER_PAGE);
      } else found = files ? await load('cards', page) : [];
    } catch (error) { return void (byId('found').textContent = `${error.message} is missing beside this page`); }
    if (turn !== asked) return;
    byId('grid').replaceChildren(...found.map(card));
    byId('found').textContent = wanted ? `${number(total)} of the ${number(NUM_CARDS)} shown samples` : '';
    pager(byId('pages'), page, Math.ceil(total / PER_PAGE), (to) => {
      showCards(to);
      byId('samples').scrollIntoView();
    });
  };
  byId('find').addEventListener('input', later(() => showCards(0)));

  const ROWS = Number(about.rows), PER_FILE = Number(about.rowsPerFile), SHOWN = 50, MOST = 500;
  const bytes = (size) => {
    const units = ['B', 'kB', 'MB', 'GB'];
    let at = 0;
    while (size >= 999.5 && at < 3) { size /= 1000; at++; }
    return `${at ? Number(size.toPrecision(3)) : size} ${units[at]}`;
  };
  const row = (part, at) => {
    const pick = (name) => part[name][0][part[name][1][at]];
    const cells = [part.k[at], pick('m'), pick('r'), part.d[at] ? `${part.d[at]} s` : '', bytes(part.b[at]),
      part.n[at] < 0 ? '' : number(part.n[at]), pick('s')];
    return make('tr', {}, ...cells.map((text) => make('td', { textContent: text })));
  };
  let turnOfRows = 0;
  const searchRows = async (wanted, turn) => {
    const hits = [];
    let total = 0;
    for (let file = 0; file * PER_FILE < ROWS; file++) {
      const part = await load('rows', file);
      if (turn !== turnOfRows) return null;
      part.k.forEach((key, at) => {
        if (!key.toLowerCase().includes(wanted)) return;
        if (total++ < MOST) hits.push(row(part, at));
      });
      if (file % 20 === 19) byId('listed').textContent =
        `${number(total)} found in the first ${number((file + 1) * PER_FILE)} of ${number(ROWS)}`;
    }
    return [hits, total];
  };
  const showRows = async (page) => {
    const turn = ++turnOfRows, wanted = byId('search').value.trim().toLowerCase();
    try {
      if (wanted) {
        const result = await searchRows(wanted, turn);
        if (!result) return;
        const [hits, total] = result;
        byId('rows').replaceChildren(...hits);
        byId('row-pages').replaceChildren();
        byId('listed').textContent = `${number(total)} of ${number(ROWS)} samples` +
          (total > MOST ? `; the first ${number(MOST)} are shown` : '');
        return;
      }
      const first = page * SHOWN, file = Math.floor(first / PER_FILE);
      const part = ROWS ? await load('rows', file) : { k: [] };
      if (turn !== turnOfRows) return;
      const start = first - file * PER_FILE, shown = [];
      for (let at = start; at < Math.min(start + SHOWN, part.k.length); at++) shown.push(row(part, at));
      byId('rows').replaceChildren(...shown);
      byId('listed').textContent = '';
      pager(byId('row-pages'), page, Math.ceil(ROWS / SHOWN), showRows);
    } catch (error) { byId('listed').textContent = `${error.message} is missing beside this page`; }
  };
  byId('search').addEventListener('input', later(() => showRows(0)));
  showCards(0);
  showRows(0);
})();
"""
