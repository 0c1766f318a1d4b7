(function () {
  "use strict";
  var tip = null;
  function hide() {
    if (tip) { tip.remove(); tip = null; }
  }
  document.addEventListener("pointerover", function (event) {
    hide();
    var mark = event.target.closest && event.target.closest("svg rect");
    if (!mark) { return; }
    var title = mark.querySelector("title");
    // The native tooltip would appear late and cover this one.
    if (title) { mark.dataset.tip = title.textContent; title.remove(); }
    if (!mark.dataset.tip) { return; }
    tip = document.createElement("div");
    tip.id = "tip";
    tip.textContent = mark.dataset.tip;
    document.body.appendChild(tip);
    var box = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    var left = Math.min(Math.max(4, box.left + box.width / 2 - own.width / 2), innerWidth - own.width - 4);
    var above = box.top - own.height - 6;
    tip.style.left = left + "px";
    tip.style.top = (above > 4 ? above : box.bottom + 6) + "px";
  });
  addEventListener("scroll", hide, { passive: true });

  function make(tag, attributes, text) {
    var element = document.createElement(tag);
    Object.keys(attributes).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    if (text) { element.textContent = text; }
    return element;
  }

  // Contents: the section that is being read.
  var links = [].slice.call(document.querySelectorAll(".toc a"));
  function mark() {
    var current = null;
    links.forEach(function (link) {
      var section = document.getElementById(link.hash.slice(1));
      if (section && section.getBoundingClientRect().top < innerHeight / 3) { current = link; }
    });
    links.forEach(function (link) {
      if (link === current) { link.setAttribute("aria-current", "true"); } else { link.removeAttribute("aria-current"); }
    });
  }
  addEventListener("scroll", mark, { passive: true });
  mark();

  // Classes: sorted by a column, filtered by name. Of very many, only the first are in the document.
  var MOST = 500, names = new Intl.Collator(undefined, { numeric: true });
  function number(text) {
    var value = Number(text.replace(/\u202f/g, "").replace("\u2212", "-"));
    return isFinite(value) ? value : -Number.MAX_VALUE;
  }
  document.querySelectorAll(".classes").forEach(function (details) {
    var table = details.querySelector("table"), body = table.tBodies[0], told = make("output", {}), wanted = "";
    var order = [].map.call(body.rows, function (row) {
      return { row: row, name: row.cells[0].textContent.toLowerCase() };
    });
    function show() {
      var found = order.filter(function (entry) { return entry.name.indexOf(wanted) >= 0; });
      body.replaceChildren.apply(body, found.slice(0, MOST).map(function (entry) { return entry.row; }));
      var count = found.length > MOST ? "the first " + MOST + " of " + found.length + " · " : wanted ? found.length + " of " + order.length + " · " : "";
      told.textContent = count + "click a heading to sort";
    }
    var heads = [].slice.call(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      var button = make("button", { type: "button", title: "Sort" }, head.textContent);
      button.addEventListener("click", function () {
        var first = column ? "descending" : "ascending", second = column ? "ascending" : "descending";
        var direction = head.getAttribute("aria-sort") === first ? second : first;
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", direction);
        var sign = direction === "ascending" ? 1 : -1;
        order.forEach(function (entry) {
          var text = entry.row.cells[column].textContent;
          entry.key = column ? number(text) : text;
        });
        order.sort(function (a, b) { return sign * (column ? a.key - b.key : names.compare(a.key, b.key)); });
        show();
      });
      head.replaceChildren(button);
    });
    var bar = make("div", { "class": "bar" });
    if (order.length > 10) {
      var input = make("input", { type: "search", placeholder: "Filter classes", "aria-label": "Filter classes", spellcheck: "false" });
      input.addEventListener("input", function () {
        wanted = input.value.trim().toLowerCase();
        show();
      });
      bar.append(input);
    }
    bar.append(told);
    details.insertBefore(bar, details.querySelector(".rows"));
    show();
  });

  // The command of each sample, to copy.
  function copy(text) {
    if (navigator.clipboard && isSecureContext) { return navigator.clipboard.writeText(text); }
    var area = make("textarea", {}, text);
    document.body.appendChild(area);
    area.select();
    var done = document.execCommand("copy");
    area.remove();
    return done ? Promise.resolve() : Promise.reject();
  }
  document.querySelectorAll(".samples table").forEach(function (table) {
    var commands = table.parentElement.querySelectorAll(".sql code");
    [].forEach.call(table.tBodies[0].rows, function (row, index) {
      var command = commands[index] && commands[index].textContent;
      if (!command) { return; }
      var button = make("button", { type: "button", "class": "copy", title: "Copy the command that shows this row" }, "sql");
      button.addEventListener("click", function () {
        function tell(text) {
          button.textContent = text;
          setTimeout(function () { button.textContent = "sql"; }, 1500);
        }
        copy(command).then(function () { tell("copied"); }, function () { tell("see below"); });
      });
      row.cells[0].appendChild(button);
    });
  });
})();
