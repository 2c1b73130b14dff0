package page

// shortcuts are the keys that the script listens to.
var shortcuts = []struct{ key, does string }{
	{"n", "next failure: a failed test, or an error in the log"},
	{"p", "previous failure"},
	{"/", "search the log"},
	{"t", "filter the tests"},
	{"Enter", "in the search: next line found; with Shift the previous one"},
	{"?", "this help"},
	{"Esc", "close it"},
}

// help explains the keys. The script opens it.
func (w *writer) help() {
	w.raw("<p id=\"at\" role=\"status\" hidden></p>\n")
	w.raw("<dialog id=\"help\" aria-labelledby=\"helptitle\">\n<h2 id=\"helptitle\">Keyboard</h2>\n<dl>\n")
	for _, s := range shortcuts {
		w.put("<div><dt><kbd>%s</kbd></dt><dd>%s</dd></div>\n", s.key, s.does)
	}
	w.raw("</dl>\n<button type=\"button\" id=\"close\">Close</button>\n</dialog>\n")
}
