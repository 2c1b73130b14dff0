package page

import (
	"path"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// shownAttachments bounds the files that are shown of a test.
const shownAttachments = 20

// attachmentsOf shows the files of a test; "" are those of no known test.
func (w *writer) attachmentsOf(run record.Run, test string) {
	var all []record.Attachment
	for _, a := range run.Attached {
		if a.Test == test {
			all = append(all, a)
		}
	}
	all = all[:min(len(all), shownAttachments)]
	if len(all) == 0 {
		return
	}
	compared := w.pairs(all)
	w.raw("<ul class=\"shots\">\n")
	for _, a := range all {
		if a.Refused == "" && !compared[a.File] {
			w.raw("<li>")
			w.attachment(a)
			w.raw("</li>\n")
		}
	}
	w.raw("</ul>\n")
	for _, a := range all {
		if a.Refused != "" {
			w.put("<p class=\"note\">%s is not stored: %s</p>\n", clip(a.Source, maxName), clip(a.Refused, maxName))
		}
	}
}

// attachment shows a file.
func (w *writer) attachment(a record.Attachment) {
	label := path.Base(a.Source)
	if a.Name != "" && a.Name != label {
		label = a.Name + ": " + label
	}
	label = clip(label, maxName)
	w.raw("<figure>")
	switch a.Kind {
	case record.ImageFile:
		w.put("<a href=\"%s\">", a.File)
		w.image(a, "", label)
		w.raw("</a>")
	case record.VideoFile:
		w.put("<video controls preload=\"none\" src=\"%s\" aria-label=\"%s\"></video>", a.File, label)
	}
	w.put("<figcaption>%s <span class=\"note\">%s</span>", link(a.File, label), units.Size(a.Bytes))
	if a.Kind == record.ArchiveFile && strings.Contains(strings.ToLower(a.Name+a.Source), "trace") {
		w.put("<br><code>npx playwright show-trace %s</code>", path.Base(a.File))
	}
	w.raw("</figcaption></figure>")
}

func (w *writer) image(a record.Attachment, class markup, label string) {
	w.put("<img%s loading=\"lazy\" decoding=\"async\" src=\"%s\" width=\"%d\" height=\"%d\" alt=\"%s\">", classIf(class != "", string(class)), a.File,
		a.Width, a.Height, label)
}

// pairs shows pictures that were compared, and returns which ones.
func (w *writer) pairs(all []record.Attachment) map[string]bool {
	shown := map[string]bool{}
	for _, a := range all {
		if a.Group == 0 || a.Refused != "" || a.Kind != record.ImageFile || shown[a.File] {
			continue
		}
		pictures := map[string]record.Attachment{}
		for _, b := range all {
			if b.Group == a.Group && b.Refused == "" && b.Kind == record.ImageFile {
				pictures[b.Role] = b
			}
		}
		_, isSide := pictures["side"]
		_, isStack := pictures["stack"]
		_, hasExpected := pictures["expected"]
		_, hasActual := pictures["actual"]
		if !isSide && !isStack && !(hasExpected && hasActual) {
			continue
		}
		for _, p := range pictures {
			shown[p.File] = true
		}
		w.pair(pictures)
	}
	return shown
}

// views are the pictures of a comparison, in their order, and the part of one that has all three: side by side, and the
// number of that from the top of one above the other.
var views = []struct {
	role string
	part markup
	down int
}{{"expected", "third", 0}, {"actual", "third right", 2}, {"difference", "third middle", 1}}

// pair shows what was expected, what came out and their difference: side by side, and with the script one over the
// other.
func (w *writer) pair(pictures map[string]record.Attachment) {
	three, isSide := pictures["side"]
	stack, isStack := pictures["stack"]
	if isStack {
		three = stack
	}
	isThree := isSide || isStack
	w.raw("<figure class=\"pair\">\n<div class=\"controls\" hidden role=\"group\" aria-label=\"comparison\">")
	w.raw("<button type=\"button\" value=\"slider\">Slider</button>")
	for _, v := range views {
		if _, has := pictures[v.role]; has || isThree {
			w.put("<button type=\"button\" value=\"%s\">%s</button>", v.role, strings.ToUpper(v.role[:1])+v.role[1:])
		}
	}
	w.raw("<input type=\"range\" min=\"0\" max=\"100\" value=\"50\" aria-label=\"expected on the left, actual on the right\"></div>\n<div class=\"views\">\n")
	for _, v := range views {
		picture, has := pictures[v.role]
		if !has && !isThree {
			continue
		}
		w.put("<figure class=\"view\" data-view=\"%s\"><div>", v.role)
		switch {
		case isStack:
			w.cutout(three, v.down, v.role)
		case isSide:
			w.image(three, v.part, v.role)
		default:
			w.image(picture, "", v.role)
		}
		w.put("</div><figcaption>%s</figcaption></figure>\n", v.role)
	}
	name := three.Source
	if !isThree {
		name = pictures["expected"].Source
	}
	w.put("</div>\n<figcaption>%s</figcaption></figure>\n", clip(path.Base(name), maxName))
}

// cutout shows a third of a picture of three, one above the other. The policy of the page refuses a style of its own, in
// which the height of an image would be a part of it; a drawing has what it shows in an attribute.
func (w *writer) cutout(a record.Attachment, down int, label string) {
	height := a.Height / 3
	w.put("<svg class=\"cutout\" viewBox=\"0 %d %d %d\" role=\"img\" aria-label=\"%s\"><image href=\"%s\" width=\"%d\" height=\"%d\"/></svg>",
		down*height, a.Width, height, label, a.File, a.Width, a.Height)
}

// looseAttachments shows the files whose test is not known.
func (w *writer) looseAttachments(run record.Run) {
	if slices.ContainsFunc(run.Attached, func(a record.Attachment) bool { return a.Test == "" }) {
		w.raw("<h3>Files of tests</h3>\n")
		w.attachmentsOf(run, "")
	}
}
