/// The status page at `/`: three files of our own and nothing from elsewhere. The script only ever writes text, so
/// that no name that a peer chose can become markup.

import HTTPTypes
import HummingbirdCore
import NIOCore

extension Response {
    /// A file of the status page.
    init(asset: String, type: String) {
        self.init(text: asset, type: type)
        headers[.contentSecurityPolicy] = """
            default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
            base-uri 'none'; form-action 'none'; frame-ancestors 'none'
            """
        headers[.cacheControl] = "no-cache"
    }
}

enum StatusPage {
    static let html = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>ARO node</title>
        <link rel="stylesheet" href="status.css">
        <script defer src="status.js"></script>
        </head>
        <body>
        <header>
        <h1>ARO node</h1>
        <p id="live" class="badge">connecting</p>
        <p id="peer" class="mono"></p>
        </header>
        <main>
        <section><dl id="facts"></dl></section>
        <section><h2>Transfers</h2><div id="transfers"></div></section>
        <section><h2>Models</h2><div id="models"></div></section>
        <section><h2>Latest calls</h2><div id="calls"></div></section>
        <section><h2>Latest receipts</h2><div id="receipts"></div></section>
        <section><h2>Peers</h2><div id="peers"></div></section>
        <section><h2>Members</h2><div id="members"></div></section>
        <section><h2>Content</h2><div id="content"></div></section>
        </main>
        <noscript><p>This page needs its script; the same is at <a href="status">/status</a>.</p>
        </noscript>
        </body>
        </html>

        """

    static let style = """
        :root { --ink: #1c1e21; --faint: #6b7078; --line: #e3e5e8; --card: #fff; --page: #f5f6f7;
          --good: #1a7f4b; --warn: #a15c00; --bad: #b3261e; --bar: #2f6fde }
        @media (prefers-color-scheme: dark) {
          :root { --ink: #e7e9ec; --faint: #9aa0a8; --line: #2e3238; --card: #1b1e22;
            --page: #121417; --good: #5bd197; --warn: #f0b45b; --bad: #ff8a80; --bar: #7aa7ff } }
        * { box-sizing: border-box }
        body { margin: 0; background: var(--page); color: var(--ink);
          font: 15px/1.45 system-ui, sans-serif }
        header { padding: 1.2rem 1rem .4rem; max-width: 68rem; margin: auto; display: flex;
          flex-wrap: wrap; gap: .2rem .8rem; align-items: center }
        h1 { font-size: 1.3rem; margin: 0 }
        h2 { font-size: .8rem; letter-spacing: .06em; text-transform: uppercase;
          color: var(--faint); margin: 0 0 .6rem }
        header p { margin: 0 } #peer { flex-basis: 100%; color: var(--faint) }
        .mono { font-family: ui-monospace, monospace; font-size: .8rem; overflow-wrap: anywhere }
        .badge { font-size: .75rem; padding: .1rem .6rem; border-radius: 1rem;
          border: 1px solid currentColor; color: var(--faint) }
        .good { color: var(--good) } .warn { color: var(--warn) } .bad { color: var(--bad) }
        main { max-width: 68rem; margin: auto; padding: .6rem 1rem 3rem; display: grid; gap: .8rem }
        section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
          padding: .9rem 1rem; overflow-x: auto }
        dl { margin: 0; display: grid; gap: .7rem 1rem;
          grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)) }
        dt { color: var(--faint); font-size: .75rem } dd { margin: 0; font-size: 1.05rem }
        dd small { display: block; color: var(--faint); font-size: .75rem }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
        th { text-align: left; font-weight: 500; color: var(--faint); font-size: .75rem;
          padding: 0 .8rem .3rem 0; white-space: nowrap }
        td { border-top: 1px solid var(--line); padding: .35rem .8rem .35rem 0;
          vertical-align: top; overflow-wrap: anywhere }
        td.number { white-space: nowrap }
        .none { color: var(--faint); margin: 0 }
        progress { width: 100%; min-width: 6rem; height: .6rem; accent-color: var(--bar) }
        @media (max-width: 40rem) {
          table, tbody, tr, td { display: block; width: 100% } thead { display: none }
          tr { border-top: 1px solid var(--line); padding: .4rem 0 }
          td { border: 0; padding: .1rem 0; display: flex; gap: .8rem }
          td::before { content: attr(data-name); flex: 0 0 7.5rem; color: var(--faint);
            font-size: .75rem; padding-top: .15rem } }

        """

    static let script = """
        'use strict';
        const byId = (id) => document.getElementById(id);
        const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
        function bytes(count) {
          if (count === null || count === undefined) return '–';
          let i = 0;
          while (count >= 1024 && i < units.length - 1) { count /= 1024; i++; }
          return (i === 0 ? count : count.toFixed(1)) + '\\u00a0' + units[i];
        }
        function span(seconds) {
          if (seconds === null || seconds === undefined) return '–';
          if (seconds < 60) return seconds.toFixed(seconds < 10 ? 2 : 0) + '\\u00a0s';
          const minutes = Math.floor(seconds / 60);
          if (minutes < 60) return minutes + ' min';
          const hours = Math.floor(minutes / 60);
          return hours < 48 ? hours + ' h ' + (minutes % 60) + ' min'
            : Math.floor(hours / 24) + ' days';
        }
        const many = (count, word) => count + ' ' + word + (count === 1 ? '' : 's');
        const short = (text) => !text ? '–' : text.length > 24
          ? text.slice(0, 10) + '…' + text.slice(-8) : text;
        const time = (value) => value === null ? '–' : value.toFixed(1) + '\\u00a0ms';
        function element(name, text, kind) {
          const node = document.createElement(name);
          if (text !== undefined) node.textContent = text;
          if (kind) node.className = kind;
          return node;
        }
        function table(id, names, rows, empty) {
          const place = byId(id);
          if (rows.length === 0) {
            place.replaceChildren(element('p', empty, 'none'));
            return;
          }
          const whole = element('table'), head = element('thead'), body = element('tbody');
          const line = element('tr');
          for (const name of names) line.append(element('th', name));
          head.append(line);
          for (const row of rows) {
            const line = element('tr');
            row.forEach((value, i) => {
              const cell = element('td');
              cell.dataset.name = names[i];
              if (value instanceof Node) cell.append(value); else cell.append(String(value));
              line.append(cell);
            });
            body.append(line);
          }
          whole.append(head, body);
          place.replaceChildren(whole);
        }
        function mono(text, title) {
          const node = element('span', text, 'mono');
          if (title) node.title = title;
          return node;
        }
        const states = { alive: 'good', finished: 'good', running: 'warn', suspected: 'warn',
          failed: 'bad', cancelled: 'warn' };
        const state = (name) => element('span', name || '–', states[name]);
        function content(cid, path) {
          const link = element('a', short(cid), 'mono');
          link.href = '/ipfs/' + encodeURIComponent(cid)
            + (path ? '/' + path.split('/').map(encodeURIComponent).join('/') : '');
          link.title = cid;
          return link;
        }
        function progress(transfer) {
          const bar = element('progress');
          if (transfer.total) { bar.max = transfer.total; bar.value = transfer.done; }
          return bar;
        }
        let last = null;
        function rates(node) {
          const now = performance.now();
          let text = ['', ''];
          if (last && now > last.at) {
            const seconds = (now - last.at) / 1000;
            text = [node.bytes_in - last.in, node.bytes_out - last.out]
              .map((count) => bytes(Math.round(Math.max(0, count) / seconds)) + '/s');
          }
          last = { at: now, in: node.bytes_in, out: node.bytes_out };
          return text;
        }
        function facts(node) {
          const [inward, outward] = rates(node);
          const rows = [
            ['Network', node.isolated ? 'isolated' : many(node.sessions, 'session'),
              many(node.table_peers, 'peer') + ' in the routing table'],
            ['Members', node.members, many(node.neighbours, 'neighbour') + ', ' + many(node.topics, 'topic')],
            ['Received', bytes(node.bytes_in), inward],
            ['Sent', bytes(node.bytes_out), outward],
            ['Store', bytes(node.store_bytes),
              'of ' + bytes(node.quota_bytes) + ', ' + many(node.store_blocks, 'block')],
            ['Records', node.records_held + ' held', many(node.roots_provided, 'root') + ' provided'],
            ['Dropped', node.dropped, 'datagrams and more'],
            ['Running', span(node.uptime_seconds), 'version ' + node.version],
            ['Listening', node.addresses.join(', '),
              node.observed_address ? 'seen as ' + node.observed_address : ''],
          ];
          byId('facts').replaceChildren(...rows.map(([name, value, note]) => {
            const item = element('div');
            const text = element('dd', String(value));
            text.append(element('small', note));
            item.append(element('dt', name), text);
            return item;
          }));
        }
        function show(all) {
          byId('peer').textContent = all.node.peer;
          facts(all.node);
          table('transfers', ['What', 'Content', 'Progress', 'Bytes', 'From'],
            all.transfers.map((t) => [t.kind, t.root ? content(t.root, t.path) : '–', progress(t),
              bytes(t.done) + (t.total ? ' of ' + bytes(t.total) : ''), many(t.providers, 'peer')]),
            'nothing is under way');
          table('models', ['Model', 'Context', 'Providers', 'Free', 'Waiting', 'Nearest'],
            all.models.map((m) => [m.id, m.context_tokens || '–', m.providers.length,
              m.providers.reduce((n, p) => n + p.slots_free, 0) + ' of '
                + m.providers.reduce((n, p) => n + p.slots, 0),
              m.providers.reduce((n, p) => n + p.queued, 0),
              time(m.providers.reduce((best, p) => p.round_trip_ms === null ? best
                : best === null ? p.round_trip_ms : Math.min(best, p.round_trip_ms), null))]),
            'nobody offers a model');
          table('calls', ['Model', 'State', 'First output', 'In all', 'Tokens', 'Provider'],
            all.calls.slice(0, 10).map((c) => {
              const what = state(c.state);
              if (c.error) what.append(' ', element('small', c.error));
              return [c.model, what, span(c.first_output_seconds), span(c.seconds),
                c.output_tokens === null ? '–' : c.input_tokens + ' in, ' + c.output_tokens + ' out',
                mono(short(c.provider), c.provider)];
            }), 'no calls yet');
          table('receipts', ['Call', 'Model', 'Tokens', 'Price', 'Signed by', 'Other side'],
            all.receipts.map((r) => [mono(r.key.slice(0, 8), r.key), r.model,
              r.input_tokens + ' in, ' + r.output_tokens + ' out',
              r.price === 0 ? 'free' : (r.served ? 'earned ' : 'spent ') + r.price / 1e6,
              r.countersigned ? 'both' : 'the provider',
              mono(short(r.other), r.other)]), 'no receipts yet');
          table('peers', ['Peer', 'Address', 'Round trip', 'Received', 'Sent', 'State'],
            all.peers.map((p) => [mono(short(p.peer), p.peer), p.address, time(p.round_trip_ms),
              bytes(p.bytes_in), bytes(p.bytes_out), state(p.state)]), 'no open sessions');
          table('members', ['Peer', 'State', 'Round trip', 'Free storage', 'Models', 'Software'],
            all.members.map((m) => [mono(short(m.peer), m.peer), state(m.state),
              time(m.round_trip_ms), bytes(m.storage_free), m.models.join(', ') || '–',
              m.software || '–']), 'no other member is known');
          table('content', ['Name', 'CID', 'Bytes', 'Kept'],
            all.content.slice().reverse().map((c) => [c.name || '–', content(c.cid), bytes(c.bytes),
              c.pinned ? 'pinned' : 'as a cache']), 'nothing is kept here yet');
        }
        function live(text, kind) {
          const badge = byId('live');
          badge.textContent = text;
          badge.className = 'badge ' + kind;
        }
        const source = new EventSource('status/events');
        source.onmessage = (event) => {
          const all = JSON.parse(event.data);
          if (all.error) { live(all.error.message, 'bad'); return; }
          show(all);
          live(all.node.isolated ? 'isolated' : 'live', all.node.isolated ? 'warn' : 'good');
        };
        source.onerror = () => live('the node does not answer', 'bad');

        """
}
