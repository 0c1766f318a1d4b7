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
})();
