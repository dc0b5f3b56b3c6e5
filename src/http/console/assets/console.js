// What makes pages quicker to use. Every page works without it.

// The server's clock is the one that pages were written by.
const serverNow = Number(document.documentElement.dataset.now);
const offset = serverNow ? serverNow - Date.now() : 0;

/** Copies a value, and says so for a moment. */
function copying() {
  offer(document);
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("done");
    announce("Copied");
    setTimeout(() => button.classList.remove("done"), 1500);
  });
}

/** Shows the buttons that copy, where copying works. */
function offer(within) {
  for (const button of within.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
  }
}

/** Tells something to those who listen to the page. */
function announce(text) {
  let region = document.getElementById("announced");
  if (!region) {
    region = document.createElement("p");
    region.id = "announced";
    region.className = "sr";
    region.setAttribute("role", "status");
    document.body.append(region);
  }
  region.textContent = text;
}

/** `/` goes to the search, wherever one is not typing. */
function keys() {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = document.querySelector("[data-search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details.menu-button[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu-button[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
}

/** A dialog that the page was drawn with becomes a modal one; closing it leads to the page below. */
function dialogs() {
  const dialog = document.querySelector("dialog[data-close]");
  if (!dialog) return;
  dialog.removeAttribute("open");
  dialog.showModal();
  (dialog.querySelector("[aria-invalid='true']") ?? dialog.querySelector("[autofocus]"))?.focus();
  const leave = () => location.assign(dialog.dataset.close);
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  dialog.addEventListener("close", leave);
}

/** A form is sent once. */
function guards() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-guard]")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  // Shown again from the browser's memory: it may be sent again.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("[data-sent]")) delete form.dataset.sent;
  });
}

// The one place where HTML becomes elements: pages of this console, which the server has escaped.
const policy = window.trustedTypes?.createPolicy("grantd", { createHTML: (html) => html });
const parse = (html) => new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");

/** A list follows what is typed into its search. */
function liveLists() {
  for (const form of document.querySelectorAll("form[data-live]")) {
    let waiting, request;
    const look = async () => {
      request?.abort();
      request = new AbortController();
      const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
      const address = `${form.action}${query.size ? `?${query}` : ""}`;
      try {
        const answer = await fetch(address, { signal: request.signal, headers: { accept: "text/html" } });
        if (answer.redirected || !answer.ok) return form.submit();
        const page = parse(await answer.text());
        const [here, there] = [document.getElementById("list"), page.getElementById("list")];
        if (!here || !there) return form.submit();
        here.replaceWith(document.adoptNode(there));
        offer(there);
        announce(there.querySelector(".pager [role='status']")?.textContent ?? "");
        const [facets, others] = [document.querySelector("main .facets"), page.querySelector("main .facets")];
        if (facets && others) facets.replaceWith(document.adoptNode(others));
        history.replaceState(null, "", address);
      } catch (error) {
        if (error.name !== "AbortError") form.submit();
      }
    };
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(look, 160);
    });
  }
}

/** Names are suggested while one types them: a combobox with a list (WAI-ARIA 1.2). */
function suggestions(within = document) {
  for (const field of within.querySelectorAll("[data-suggest]")) {
    const input = field.querySelector("input");
    const list = document.createElement("ul");
    list.className = "suggestions";
    list.id = `${input.id}-list`;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Suggestions");
    list.hidden = true;
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id]]) {
      input.setAttribute(name, value);
    }
    input.after(list);
    let waiting, at = -1;
    const show = (open) => {
      list.hidden = !open || !list.children.length;
      input.setAttribute("aria-expanded", String(!list.hidden));
      if (list.hidden) input.removeAttribute("aria-activedescendant");
    };
    const mark = (index) => {
      at = index;
      [...list.children].forEach((item, number) => item.setAttribute("aria-selected", String(number === at)));
      const marked = list.children[at];
      if (!marked) return input.removeAttribute("aria-activedescendant");
      input.setAttribute("aria-activedescendant", marked.id);
      marked.scrollIntoView({ block: "nearest" });
    };
    const take = (item) => {
      input.value = item.dataset.value;
      show(false);
    };
    let asked = 0;
    const look = async () => {
      const turn = ++asked;
      const answer = await fetch(`${field.dataset.suggest}?q=${encodeURIComponent(input.value)}`);
      if (!answer.ok || !answer.headers.get("content-type")?.startsWith("application/json")) return;
      const found = await answer.json();
      // An answer that comes late says nothing of what is typed now.
      if (turn !== asked) return;
      list.replaceChildren(...found.map((one, index) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${index}`;
        item.dataset.value = one.value;
        item.setAttribute("role", "option");
        const note = document.createElement("small");
        note.textContent = [one.value, one.note].filter(Boolean).join(" · ");
        item.append(one.label, note);
        return item;
      }));
      mark(-1);
      show(document.activeElement === input);
      announce(`${list.children.length} suggestions`);
    };
    input.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(look, 120);
    });
    input.addEventListener("click", () => { if (!input.value) look(); });
    input.addEventListener("blur", () => show(false));
    input.addEventListener("keydown", (event) => {
      const count = list.children.length;
      if (event.key === "ArrowDown" && list.hidden) return look();
      if (list.hidden || !count) return;
      if (event.key === "ArrowDown") mark((at + 1) % count);
      else if (event.key === "ArrowUp") mark((at + count) % (count + 1) - (at === 0 ? 1 : 0));
      else if (event.key === "Enter" && at >= 0) take(list.children[at]);
      else if (event.key === "Escape") { show(false); event.stopPropagation(); }
      else return;
      event.preventDefault();
    });
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const item = event.target.closest("li");
      if (item) take(item);
    });
  }
}

/** More rows in a form that has several. */
function rows(within = document) {
  for (const group of within.querySelectorAll("[data-rows]")) {
    const button = group.querySelector(":scope > [data-add-row]");
    const template = group.querySelector(":scope > template[data-row]");
    let next = group.querySelectorAll(":scope > [data-item]").length;
    button.hidden = false;
    button.addEventListener("click", () => {
      const row = document.importNode(template.content, true);
      number(row, String(next));
      row.firstElementChild.setAttribute("aria-label", `Item ${next + 1}`);
      next += 1;
      rows(row);
      suggestions(row);
      template.before(row);
      template.previousElementSibling.querySelector("input, select, textarea").focus();
    });
  }
}

/** Writes a row's number into its names, those of the templates inside it too. */
function number(row, to) {
  for (const element of row.querySelectorAll("*")) {
    for (const name of ["id", "for", "name", "aria-describedby"]) {
      const value = element.getAttribute(name);
      if (value) element.setAttribute(name, value.replace("ROW", to));
    }
    if (element instanceof HTMLTemplateElement) number(element.content, to);
  }
}

/** Moments stay true while a page is open. */
function moments() {
  const units = [["year", 31536e6], ["month", 2592e6], ["day", 864e5], ["hour", 36e5], ["minute", 6e4]];
  const words = (ms) => {
    const size = Math.abs(ms);
    if (size < 6e4) return ms > 0 ? "in a moment" : "just now";
    const [name, length] = units.find(([unit, length]) => size >= (unit === "month" ? 60 * 864e5 : unit === "year" ? 730 * 864e5 : length));
    const number = Math.floor(size / length);
    const text = `${number} ${name}${number === 1 ? "" : "s"}`;
    return ms > 0 ? `in ${text}` : `${text} ago`;
  };
  setInterval(() => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      time.textContent = words(Date.parse(time.dateTime) - (Date.now() + offset));
    }
  }, 30000);
}

copying();
liveLists();
suggestions();
rows();
moments();
keys();
dialogs();
guards();
