/*
 * report_style.h
 *	  How the page of cms_report looks: on a telephone, a desk, in the dark and on paper.
 */
#ifndef CMS_REPORT_STYLE_H
#define CMS_REPORT_STYLE_H

/* clang-format off */
#define CMS_REPORT_LIGHT \
	"--page:#f5f6f8;--card:#fff;--ink:#1a1e26;--soft:#565e6c;--line:#dfe3e9;--grid:#e4e7ec;--track:#e8ebf0;" \
	"--blue:#2a62c7;--green:#0d7a5a;--violet:#6c42bd;--amber:#a15800;"
#define CMS_REPORT_DARK \
	"--page:#11141a;--card:#1a1e26;--ink:#e9ebf0;--soft:#a7afbd;--line:#2e3440;--grid:#2b313c;--track:#2d3340;" \
	"--blue:#72a8ff;--green:#48c39b;--violet:#b79bff;--amber:#efaa55;"

static const char report_style[] =
	":root{color-scheme:light dark;" CMS_REPORT_LIGHT "}\n"
	"@media (prefers-color-scheme:dark){:root{" CMS_REPORT_DARK "}}\n"
	"@media print{:root{color-scheme:light;" CMS_REPORT_LIGHT "--page:#fff}}\n"
	"*{box-sizing:border-box}\n"
	"html{-webkit-text-size-adjust:100%}\n"
	"body{margin:0;background:var(--page);color:var(--ink);"
	"font:16px/1.45 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",\"Noto Sans\",Arial,sans-serif}\n"
	"main,header,footer{max-width:1120px;margin:0 auto;padding:0 20px}\n"
	"header{padding-top:32px}\n"
	"h1{font-size:1.75rem;line-height:1.2;margin:0;overflow-wrap:anywhere}\n"
	"h2{font-size:1.2rem;margin:36px 0 12px}\n"
	"h3{font-size:1rem;margin:0;display:inline}\n"
	"p{margin:0}\n"
	"header p,.soft,figcaption span,footer{color:var(--soft)}\n"
	"header p{margin-top:6px}\n"
	"h2+.soft{margin:-8px 0 12px}\n"
	".tiles{display:grid;grid-template-columns:repeat(3,1fr);gap:14px;margin:24px 0 0;padding:0}\n"
	".pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:14px}\n"
	".card,.tile,.chart{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;"
	"margin:0;min-width:0;break-inside:avoid}\n"
	".tile dt{color:var(--soft);font-size:.9rem}\n"
	".tile dd{margin:0}\n"
	".tile .value{font-size:1.7rem;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}\n"
	".tile .value small{font-size:.6em;font-weight:500;color:var(--soft)}\n"
	".tile .more{font-size:.85rem;color:var(--soft)}\n"
	".blue{--colour:var(--blue)}.green{--colour:var(--green)}.violet{--colour:var(--violet)}.amber{--colour:var(--amber)}\n"
	"figcaption{margin-bottom:18px;line-height:1.3}\n"
	"figcaption span{font-size:.85rem;margin-left:4px}\n"
	".plot{display:grid;grid-template-columns:3em minmax(0,1fr);grid-template-rows:170px 1.7em}\n"
	".plot svg{width:100%;height:100%;display:block;overflow:visible}\n"
	".ys,.xs{position:relative;font-size:.75rem;color:var(--soft);font-variant-numeric:tabular-nums}\n"
	".ys span{position:absolute;right:8px;transform:translateY(50%);white-space:nowrap;line-height:1}\n"
	".xs{grid-column:2}\n"
	".xs span{position:absolute;top:7px;white-space:nowrap;line-height:1;transform:translateX(-50%)}\n"
	".chart{container-type:inline-size}@container (max-width:460px){.xs .other{display:none}}\n"
	".bar{fill:var(--colour)}.track{fill:var(--track)}.place{fill:transparent}\n"
	"g:hover .place{fill:var(--track)}\n"
	".grid,.base{fill:none;stroke:var(--grid);stroke-width:1;vector-effect:non-scaling-stroke}\n"
	".base{stroke:var(--soft)}\n"
	".none{color:var(--soft);padding:4px 0}\n"
	"table{border-collapse:collapse;width:100%;font-size:.92rem}\n"
	"th,td{padding:7px 10px;text-align:left;border-bottom:1px solid var(--line);vertical-align:baseline}\n"
	"thead th{color:var(--soft);font-weight:550;font-size:.85rem;vertical-align:bottom}\n"
	"tbody th{font-weight:500;overflow-wrap:anywhere;min-width:9em;overflow:hidden}\n"
	"tr:last-child>*{border-bottom:0}\n"
	"tr.sum>*{border-top:2px solid var(--line);font-weight:650}\n"
	"th:first-child,td:first-child{padding-left:0}th:last-child,td:last-child{padding-right:0}\n"
	".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
	".rate{width:9.5em}.rate .meter{width:3.6em;height:.55em;margin-left:.6em;border-radius:2px;display:inline-block}\n"
	".scroll{overflow-x:auto}\n"
	".scroll:focus-visible,summary:focus-visible{outline:2px solid var(--blue);outline-offset:2px}\n"
	".card+.card,.pair+.card,.chart+.card{margin-top:14px}.pair .card{margin:0}summary{cursor:pointer;color:var(--soft)}details .scroll{margin-top:10px}\n"
	"ol{list-style:none;margin:12px 0 0;padding:0}\n"
	"li+li{margin-top:12px}\n"
	"li .line{display:flex;gap:12px;justify-content:space-between;align-items:baseline}\n"
	"li .line>:first-child{min-width:0;overflow-wrap:anywhere;overflow:hidden;font-weight:500}\n"
	"li .line>:last-child{white-space:nowrap;font-variant-numeric:tabular-nums;font-weight:600}\n"
	"li .meter{width:100%;height:8px;display:block;border-radius:3px;margin:4px 0 3px}\n"
	"li .soft{font-size:.85rem}\n"
	"footer{padding-top:28px;padding-bottom:40px;font-size:.85rem}\n"
	"footer p+p{margin-top:6px}\n"
	"@media (max-width:760px){.tiles{grid-template-columns:repeat(2,minmax(0,1fr))}"
	".pair{grid-template-columns:minmax(0,1fr)}}\n"
	"@media (max-width:520px){main,header,footer{padding-left:12px;padding-right:12px}header{padding-top:20px}"
	".card,.tile,.chart{padding:12px 14px}.tiles,.pair{gap:10px}.tile .value{font-size:1.35rem}.wide{display:none}"
	".rate{width:auto}.rate .meter{display:none}th,td{padding:7px 5px}tbody th{min-width:6em}table{font-size:.88rem}h1{font-size:1.45rem}}\n"
	"@media print{@page{margin:14mm}body{font-size:10pt}main,header,footer{max-width:none;padding:0}"
	"h2,h2+.soft{break-after:avoid}.plot{grid-template-rows:110px 1.7em}.tiles{grid-template-columns:repeat(3,1fr)}"
	".pair{grid-template-columns:repeat(2,minmax(0,1fr))}tr{break-inside:avoid}.scroll,details{break-inside:auto}.scroll{overflow:visible}"
	"details::details-content{content-visibility:visible;display:block}summary{display:none}}\n";
/* clang-format on */

#endif
