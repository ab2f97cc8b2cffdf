"use strict";
// Moves between rows by keys. Everything can be done without it.
(() => {
	const rows = () => [...document.querySelectorAll("[data-row]")];
	const go = (selector) => document.querySelector(selector)?.click();
	const move = (to) => {
		const list = rows();
		const here = list.indexOf(document.activeElement);
		const next = list[to(here, list.length)];
		next?.focus();
		next?.scrollIntoView({ block: "nearest" });
	};
	const keys = {
		j: () => move((i, n) => Math.min(i + 1, n - 1)),
		k: () => move((i) => Math.max(i - 1, 0)),
		Home: () => move(() => 0),
		End: () => move((i, n) => n - 1),
		n: () => go("a[rel=next]"),
		p: () => go("a[rel=prev]"),
		u: () => go("[data-up]"),
		"/": () => document.querySelector("input[type=search]")?.focus(),
		"?": () => { const help = document.getElementById("keys"); help.hidden = !help.hidden; },
	};
	keys.ArrowDown = keys.j;
	keys.ArrowUp = keys.k;
	document.addEventListener("keydown", (event) => {
		if (event.ctrlKey || event.altKey || event.metaKey) return;
		if (event.target.matches("input")) {
			if (event.key === "Escape") event.target.blur();
			return;
		}
		if (event.key.length > 1 && rows().length === 0) return; // scrolls
		const act = keys[event.key];
		if (!act) return;
		event.preventDefault();
		act();
	});
})();
