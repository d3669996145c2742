"""The style of report pages: one column of cards, light or dark as the reader has it, for any width and for print."""

STYLE = """
*{box-sizing:border-box}
html{background:var(--back);color:var(--ink);color-scheme:light dark;-webkit-text-size-adjust:100%}
body{overflow-wrap:anywhere;margin:0 auto;padding:2.2rem 1.25rem 4rem;max-width:1240px;
 font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:1.7rem;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:1.12rem;margin:0 0 .7rem}
p{margin:.4rem 0}
.dim{color:var(--dim)}
.small{font-size:.86rem}
.card{background:var(--paper);border:1px solid var(--grid);border-radius:12px;padding:1.1rem 1.25rem;margin:1.1rem 0 0}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 1.1rem}
.pair>*{min-width:0}
.ship{font-size:1.2rem;font-weight:600;margin:0;overflow-wrap:anywhere}
.ship code{font-size:1.02rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:.8rem 1.4rem;margin:1rem 0}
.fact{border-top:2px solid var(--grid);padding-top:.5rem}
.fact b{display:block;font-size:1.55rem;line-height:1.25;font-weight:650;overflow-wrap:anywhere}
.fact span{display:block;color:var(--dim);font-size:.86rem}
.lines{display:grid;grid-template-columns:minmax(5rem,max-content) 1fr max-content;gap:.2rem .8rem;align-items:center;
 font-size:.86rem;font-variant-numeric:tabular-nums}
.lines .name.inner{padding-left:1rem;color:var(--dim)}
.lines .name{overflow-wrap:anywhere}
.track{position:relative;height:1.5rem;background:linear-gradient(var(--grid),var(--grid)) center/100% 1px no-repeat}
.track i{position:absolute;top:50%;transform:translate(-50%,-50%)}
.track .reach{height:4px;border-radius:2px;background:var(--trained);transform:translateY(-50%)}
.track .limit{top:0;bottom:0;width:0;border-left:2px dashed var(--budget);transform:translateX(-50%)}
.dot{width:11px;height:11px;background:var(--series3)}
.dot.baseline{background:var(--series4);clip-path:polygon(50% 0,100% 100%,0 100%);width:13px;height:12px}
.ring{width:22px;height:22px;border:2px solid var(--chosen);border-radius:50%}
.ends{display:flex;justify-content:space-between;color:var(--dim);font-size:.8rem}
.scroll{overflow-x:auto;background:linear-gradient(90deg,var(--paper) 30%,transparent) 0 0/2rem 100% no-repeat local,
 linear-gradient(270deg,var(--paper) 30%,transparent) 100% 0/2rem 100% no-repeat local,
 linear-gradient(90deg,var(--shadow),transparent) 0 0/.7rem 100% no-repeat scroll,
 linear-gradient(270deg,var(--shadow),transparent) 100% 0/.7rem 100% no-repeat scroll}
table{border-collapse:collapse;width:100%;font-size:.93rem;font-variant-numeric:tabular-nums}
th,td{padding:.38rem .55rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
th{color:var(--dim);font-weight:600;font-size:.86rem}
th.group{text-align:center}
tr:last-child td{border-bottom:0}
.left{text-align:left}
td.wrap{white-space:normal;overflow-wrap:anywhere;min-width:10rem}
tr.first td{font-weight:650}
svg.chart{display:block;width:100%;height:auto}
.counts i{display:block;height:6px;border-radius:3px;background:var(--front)}
.counts i.test{background:var(--trained);margin-top:2px}
.meter{display:block;width:5rem;height:8px;border-radius:4px;background:var(--grid);overflow:hidden}
.meter i{display:block;height:100%;background:var(--front)}
.matrix{width:auto}
.matrix td,.matrix th{padding:.3rem .45rem;text-align:center;border:1px solid var(--paper)}
.matrix td.right{font-weight:650}
.matrix td.nil{color:var(--grid)}
.matrix .left{text-align:left}
.matrix .turned{vertical-align:bottom}
.matrix .turned span{writing-mode:vertical-rl;transform:rotate(180deg)}
.thumbs{display:grid;grid-template-columns:repeat(auto-fill,minmax(96px,1fr));gap:.9rem .7rem;margin:.5rem 0 .2rem}
figure{margin:0;min-width:0}
figcaption{font-size:.8rem;line-height:1.3;overflow-wrap:anywhere}
figcaption b,figcaption span{display:block;font-weight:400}
figcaption span{color:var(--dim)}
.thumb{display:block;width:88px;height:88px;object-fit:contain;border-radius:6px;border:1px solid var(--grid);
 margin-bottom:.25rem}
.small-image{image-rendering:pixelated}
.cells{display:flex;flex-wrap:wrap;gap:.4rem 1.6rem}
.cells svg{display:block;max-width:100%;height:auto}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.86rem}
pre{margin:.35rem 0;padding:.6rem .8rem;background:var(--back);border:1px solid var(--grid);border-radius:8px;
 overflow-x:auto}
.warning{border-left:4px solid var(--chosen);padding:.1rem 0 .1rem .8rem;margin:.6rem 0}
summary{cursor:pointer;font-weight:600;font-size:1.12rem}
summary+*{margin-top:.7rem}
.bar{display:flex;height:12px;border-radius:6px;overflow:hidden;margin:.2rem 0 .8rem}
.bar i{display:block}
svg .tip{outline:none;cursor:pointer}
svg .tip:focus-visible{outline:2px solid var(--ink);outline-offset:2px}
#tip{position:absolute;z-index:9;max-width:min(34rem,calc(100% - 16px));padding:.5rem .75rem;pointer-events:none;
 background:var(--paper);border:1px solid var(--dim);border-radius:8px;box-shadow:0 6px 24px #0003;font-size:.86rem}
#tip[hidden]{display:none}
#tip p{margin:0}
#tip svg{display:block;max-width:100%;height:auto;margin-top:.4rem}
@media (max-width:860px){
 .pair{grid-template-columns:1fr}
 td:first-child,.matrix th:first-child{position:sticky;left:0;background:var(--paper)}}
@media (max-width:560px){
 body{padding:1.2rem .7rem 3rem}
 .card{padding:.9rem .9rem}
 table:not(.matrix) td:first-child{white-space:normal;min-width:7.5rem}
 .facts{grid-template-columns:1fr 1fr;gap:.8rem}
 .lines{grid-template-columns:1fr max-content;row-gap:.1rem}
 .lines .name{grid-column:1/-1;margin-top:.35rem}
 .lines>span:empty{display:none}
 .matrix td,.matrix th{padding:.2rem .28rem}
 .matrix .meter{width:2rem}}
@media print{.card{break-inside:avoid}}
"""
BACK = (
    ":root{--back:#f5f7f9;--shadow:#1d253033}@media (prefers-color-scheme:dark){:root{--back:#10151b;--shadow:#000a}}"
)
