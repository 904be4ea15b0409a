// SPDX-License-Identifier: MIT
// Tables that are told again and again. They are filled in place, so that what somebody has selected in them
// stays selected.

function fillCell(row, i, { text, style = "", name = "td", pill }) {
  let cell = row.cells[i];
  if (cell === undefined) {
    cell = row.appendChild(document.createElement(name));
    if (name === "th") cell.scope = row.parentNode.tagName === "THEAD" ? "col" : "row";
  }
  if (cell.className !== style) cell.className = style;
  const into = pill === undefined ? cell : (cell.firstElementChild ?? cell.appendChild(document.createElement("span")));
  if (pill !== undefined) into.className = `pill ${pill}`;
  if (into.textContent !== text) into.textContent = text;
}

// A cell is { text, style, name: "th" or "td", pill: the level of one around the text }.
export function fillRow(row, cells) {
  while (row.cells.length > cells.length) row.deleteCell(-1);
  cells.forEach((cell, i) => fillCell(row, i, cell));
}

// `part`: a head or a body of a table.
export function fillRows(part, rows) {
  while (part.rows.length > rows.length) part.deleteRow(-1);
  rows.forEach((cells, i) => fillRow(part.rows[i] ?? part.insertRow(), cells));
}

// The same for rows that move: each is known by its `mark`.
export function fillMarkedRows(part, rows) {
  const wanted = new Set(rows.map((row) => row.mark));
  for (const row of [...part.rows]) {
    if (!wanted.has(row.dataset.mark)) row.remove();
  }
  rows.forEach(({ mark, title, cells }, i) => {
    const row = part.rows[i]?.dataset.mark === mark ? part.rows[i] : part.insertRow(i);
    row.dataset.mark = mark;
    row.title = title;
    fillRow(row, cells);
  });
  while (part.rows.length > rows.length) part.deleteRow(-1);
}
