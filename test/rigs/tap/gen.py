#!/usr/bin/env python3
"""Write the rig's table contents as JSON lines, deterministically from a seed.

usage: gen.py OUTDIR [--seed N] [--sources N]

Writes OUTDIR/obs.jsonl, hicat.jsonl, evalfile.jsonl, sources.txt (one source
identifier per line) and truth.json (the counts that a client should find).
Standard library only.
"""
import argparse, json, os, random

COLL = ("WALLABY", "ASKAP Pilot Survey for WALLABY")
C = 299792458.0


def sexa(ra, dec):
    h = ra / 15.0
    hh = int(h); mm = int((h - hh) * 60); ss = ((h - hh) * 60 - mm) * 60
    ad = abs(dec); dd = int(ad); dm = int((ad - dd) * 60)
    ds = ((ad - dd) * 60 - dm) * 60
    return ("%02d %02d %04.1f" % (hh, mm, min(ss, 59.9)),
            "%s%02d %02d %02d" % ("-" if dec < 0 else "+", dd, dm, min(int(ds), 59)))


def names(rng, n):
    """n positions with names JHHMM[+-]DD, a suffix letter where one repeats"""
    pos, by = [], {}
    for i in range(n):
        # a third in a small area, so that many names collide and get letters
        if i % 3 == 0:
            ra, dec = rng.uniform(195, 215), rng.uniform(-22, -8)
        else:
            ra, dec = rng.uniform(0, 360), rng.uniform(-89, 24)
        ra, dec = round(ra, 5), round(dec, 5)
        base = "J%02d%02d%s%02d" % (int(ra / 15), int(ra / 15 % 1 * 60),
                                    "-" if dec < 0 else "+", int(abs(dec)))
        by.setdefault(base, []).append(i)
        pos.append((ra, dec, base))
    out = []
    for i, (ra, dec, base) in enumerate(pos):
        grp = by[base]
        if len(grp) == 1:
            nm = base
        else:
            k = grp.index(i)
            nm = base + "abcdefghijklmnopqrstuvwxyz"[k] if k < 26 else base + "z%d" % k
        out.append((nm, ra, dec))
    return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("outdir")
    ap.add_argument("--seed", type=int, default=20)
    ap.add_argument("--sources", type=int, default=2000)
    a = ap.parse_args()
    rng = random.Random(a.seed)
    os.makedirs(a.outdir, exist_ok=True)
    src = names(rng, a.sources)
    # always present, whatever the seed: the identifiers used in the examples
    src[0] = ("J1313-15", 198.32917, -15.46389)
    src[1] = ("J1318-21", 199.56208, -21.04444)
    seen, uniq = set(), []
    for nm, ra, dec in src:
        while nm in seen:
            nm += "b"
        seen.add(nm); uniq.append((nm, ra, dec))
    src = uniq

    w = lambda n: open(os.path.join(a.outdir, n), "w", encoding="utf-8", newline="\n")
    fo, fh, fe, fs = w("obs.jsonl"), w("hicat.jsonl"), w("evalfile.jsonl"), w("sources.txt")
    put = lambda f, d: f.write(json.dumps(d, ensure_ascii=False, sort_keys=True) + "\n")
    sbids, nobs, nofile, nulls = set(), 0, [], 0

    for i, (nm, ra, dec) in enumerate(src):
        full = "HIPASS" + nm
        fs.write(full + "\n")
        rv = round(rng.uniform(300, 12700), 1)
        wd = round(rng.uniform(30, 600), 1)
        rs, ds = sexa(ra, dec)
        put(fh, {"HIPASS": nm, "RAJ2000": ra, "DEJ2000": dec,
                 "RAs": rs, "DEs": ds,
                 "RVmom": rv,
                 "RV50min": None if i % 97 == 5 else round(rv - wd / 2, 1),
                 "RV50max": None if i % 97 == 5 else round(rv + wd / 2, 1),
                 "note": {3: "Centaurus A \u2014 \u201cradio\u201d", 7: "\u03b1 \u2192 \u03b2 \U0001f30c",
                          11: "it's \"quoted\", <tag> & amp; ]]>", 13: "", 17: " lead/trail "}.get(i)})
        if i % 50 == 49:            # 2 %: in the catalogue, nothing in obscore
            nofile.append(full)
            continue
        for o in range(1 if i == 0 else rng.randint(1, 3)):
            sb = rng.randint(10000, 79999) if i else 72962
            sbids.add(sb)
            coll = COLL[0] if sb > 30000 else COLL[1]
            t0 = round(58000 + sb / 25.0 + rng.random(), 6)
            for b in range(2 if i == 0 else rng.randint(1, 4)):
                fp = "AB"[b % 2]
                beam = (12, 17)[b] if i == 0 else rng.randint(0, 35)
                suffix = "" if b < 2 else "_%d" % b
                fn = "%s_%s_beam%02d_10arc_split%s.ms.tar" % (full, fp, beam, suffix)
                size = rng.randint(200_000, 9_000_000)     # kB, as obscore has it
                target, title = full, "%s beam %d" % (full, beam)
                if i == 3:
                    target, title = "Centaurus\u00a0A \u2013 \u201cNGC 5128\u201d", "Title with \u03b1, \u2192, \U0001f30c"
                elif i == 7:
                    target, title = 'O\'Neill\'s "galaxy"', "tab\there, newline\nhere, back\\slash"
                elif i == 11:
                    target, title = "<b>&amp;</b> ]]>", "comma, semicolon; pipe| \"q\""
                elif i == 13:
                    target, title = "", None
                isnull = i % 101 == 19
                nulls += isnull
                nobs += 1
                d = 0.5
                put(fo, {
                    "obs_publisher_did": "ivo://org.example/tap/%d/%s" % (sb, fn),
                    "obs_id": "ASKAP-%d" % sb,
                    "obs_collection": coll,
                    "dataproduct_type": "visibility",
                    "dataproduct_subtype": None if isnull else "spectral.restored.3d",
                    "calib_level": 2 if o == 0 else 1,
                    "target_name": None if isnull else target,
                    "obs_title": title,
                    "s_ra": None if isnull else ra,
                    "s_dec": None if isnull else dec,
                    "s_fov": None if isnull else 1.25,
                    "region": None if isnull else [[ra - d, dec - d], [ra + d, dec - d],
                                                   [ra + d, dec + d], [ra - d, dec + d]],
                    "t_min": None if isnull else t0,
                    "t_max": None if isnull else round(t0 + 8 / 24.0, 6),
                    "t_exptime": None if isnull else 28800.0,
                    "em_min": C / 1.440e9, "em_max": C / 1.295e9,
                    "access_url": None if isnull else
                        "https://casda.invalid/vo/datalink/links?ID=visibility-%d&x=a%%20b" % (100000 + nobs),
                    "access_format": "application/x-votable+xml;content=datalink",
                    "access_estsize": None if isnull else size,
                    "facility_name": "ASKAP", "instrument_name": "ASKAP",
                    "pol_states": "/XX/XY/YX/YY/",
                    "filename": fn,
                    "filesize": None if isnull else size,
                    "quality_level": rng.choice(["GOOD", "UNCERTAIN", "NOT_VALIDATED", None]),
                    # some released, some not yet (NULL), some with fractions
                    "released_date": None if sb % 7 == 0 else "20%02d-%02d-%02dT%02d:%02d:%02d%s" % (
                        rng.randint(20, 25), rng.randint(1, 12), rng.randint(1, 28),
                        rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59),
                        ".123" if sb % 5 == 0 else ""),
                })

    nev = 0
    for sb in sorted(sbids):
        kinds = [("calibration", "calibration-metadata-processing-logs-SB%d_20%02d-%02d-%02d-011733.tar"
                  % (sb, 20 + sb % 6, 1 + sb % 12, 1 + sb % 28))]
        if sb % 3:
            kinds.append(("validation", "SB%d_validation.tar" % sb))
        if sb % 11 == 0:
            kinds = []                 # a few sbids without an evaluation file
        for k, fn in kinds:
            nev += 1
            put(fe, {"sbid": sb, "format": k, "filename": fn,
                     "filesize": None if sb % 13 == 0 else rng.randint(1000, 900_000),
                     "access_url": "https://casda.invalid/vo/datalink/links?ID=evaluation-%d" % nev})
    for f in (fo, fh, fe, fs):
        f.close()
    with w("truth.json") as f:
        json.dump({"seed": a.seed, "sources": len(src), "obscore_rows": nobs,
                   "sources_without_obscore": len(nofile), "first_without_obscore": nofile[:3],
                   "rows_with_nulls": nulls, "sbids": len(sbids),
                   "evaluation_files": nev}, f, indent=1, sort_keys=True)
        f.write("\n")


if __name__ == "__main__":
    main()
