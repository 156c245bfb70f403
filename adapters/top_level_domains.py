"""Words after a dot: which make a host name out of code, and which never do.

Rule: both lists err to the safe side; a platform that links what neither names shows the reader its host.
"""

from __future__ import annotations

_COUNTRIES = """
ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz
ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et eu fi fj fk fm fo
fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm
jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq
mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re
ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr
tt tv tw tz ua ug uk um us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw
"""

_OPEN = """
com net org edu gov mil int info biz name pro aero coop museum jobs mobi travel tel cat asia post xxx arpa onion
academy accountant accountants actor ads adult africa agency airforce amsterdam apartments app arab archi army art
associates attorney auction audio auto autos baby band bank bar barcelona bargains basketball bayern beauty beer
berlin best bet bible bid bike bingo bio black blackfriday blog blue boats bond boo book boston bot boutique box
broadway broker brussels build builders business buy buzz cab cafe call cam camera camp capetown capital car cards
care career careers cars casa case cash casino catering center ceo cfd charity chat cheap christmas church city
claims cleaning click clinic clothing cloud club coach codes coffee college cologne community company compare
computer condos construction consulting contact contractors cooking cool corsica country coupon coupons courses
cpa credit creditcard cricket cruise cruises cymru cyou dad dance data date dating day deal dealer deals degree
delivery democrat dental dentist desi design dev diamonds diet digital direct directory discount diy doctor dog
domains dot download drive durban earth eat eco education email energy engineer engineering enterprises equipment
esq estate eus events exchange expert exposed express fail faith family fan fans farm fashion fast feedback film
final finance financial fire fish fishing fit fitness flights florist flowers fly foo food football forex forsale
forum foundation free frl fun fund furniture futbol fyi gal gallery game games garden gay gdn gent gift gifts
giving glass global gmbh gold golf goo graphics gratis green gripe grocery group guide guitars guru hair hamburg
haus health healthcare help here hiphop hiv hockey holdings holiday homes horse hospital host hosting hot hotels
house how icu immo immobilien inc industries ing ink institute insurance insure international investments irish
ist istanbul jetzt jewelry joburg joy juegos kaufen kids kim kitchen kiwi koeln krd kyoto land lat latino law
lawyer lease leclerc legal lgbt life lifestyle lighting like limited limo link live living llc llp loan loans
locker lol london lotto love ltd ltda luxe luxury madrid maison makeup man management mango map market marketing
markets mba med media meet melbourne meme memorial men menu miami mint moda moe moi mom monash money monster
mortgage moscow moto motorcycles mov movie music nagoya navy network new news ngo ninja now nowruz nrw nyc observer
okinawa one ong onl online ooo open organic osaka ott ovh page paris pars partners parts party pay pet pharmacy
phd phone photo photography photos physio pics pictures pid pin pink pizza place play plumbing plus poker porn
press prime prod productions prof promo properties property protection pub quebec quest racing radio read realestate
realtor realty recipes red rehab reise reisen reit ren rent rentals repair report republican rest restaurant review
reviews rich rip rocks rodeo room rsvp rugby ruhr run ryukyu saarland safe sale salon save sarl scholarships school
schule science scot search secure security select services sex sexy shiksha shoes shop shopping show silk singles
site ski skin smile soccer social software solar solutions song soy spa space sport spot srl star stockholm storage
store stream studio study style sucks supplies supply support surf surgery swiss sydney systems taipei talk tatar
tattoo tax taxi team tech technology tennis theater theatre tickets tienda tips tires tirol today tokyo tools top
tours town toys trade trading training trust tube tunes university uno vacations vegas ventures versicherung vet
viajes video villas vin vip vision vodka vote voting voto voyage wales wang watch watches weather web webcam website
wed wedding wiki win wine winners work works world wow wtf xin xyz yachts yoga yokohama you yun zero zip zone zuerich
"""

TOP_LEVEL_DOMAINS = frozenset(f"{_COUNTRIES} {_OPEN}".split())
"""Every country's domain, and those others under which anybody may take a name (by memory of the root zone
of 2026; a brand's own domain, which only the brand can use, is left out)."""

FILE_ENDINGS = frozenset(
    """
    json jsonl yaml yml toml txt ini cfg conf xml html htm css js jsx ts tsx csv tsv pdf doc docx odt rtf xls xlsx
    ods ppt pptx odp log sql sqlite db jar exe dll lock bak ipynb cpp hpp java php rb rst tex epub eml gguf png jpg
    jpeg gif svg webp tar gz tgz bz2 xz env tmp
    """.split()
)
"""File name endings that are no top-level domain, so that file names in prose stay as they are."""
