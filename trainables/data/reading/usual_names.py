"""The names by which columns of users, items, ratings and times usually go."""

# Compared as `plain_name` gives them. Earlier ones win: ids, then words for the thing, then what may mean much else.
USUAL_NAMES = {
    "user": (
        *("userid", "reviewerid", "customerid", "memberid", "uid", "accountid", "profileid", "personid", "readerid"),
        *("viewerid", "listenerid", "playerid", "visitorid", "raterid", "criticid", "steamid", "user", "reviewer"),
        *("customer", "member", "username", "reviewername", "profilename", "reviewprofilename", "author", "u"),
    ),
    "item": (
        *("itemid", "movieid", "filmid", "parentasin", "asin", "productid", "bookid", "isbn", "businessid", "recipeid"),
        *("trackid", "songid", "artistid", "albumid", "gameid", "appid", "animeid", "animeuid", "showid", "jokeid"),
        *("beerid", "beerbeerid", "wineid", "hotelid", "placeid", "gmapid", "restaurantid", "venueid", "articleid"),
        *("newsid", "courseid", "videoid", "iid", "item", "movie", "film", "product", "book", "business", "recipe"),
        *("track", "song", "artist", "album", "game", "anime", "show", "joke", "beer", "wine", "hotel", "restaurant"),
        *("title", "movietitle", "booktitle", "name", "i"),
    ),
    "rating": (
        *("rating", "ratings", "userrating", "bookrating", "movierating", "reviewrating", "reviewscore", "score"),
        *("stars", "overall", "reviewoverall", "ratingvalue", "ratingscore", "starrating", "points", "grade", "value"),
        *("r",),
    ),
    "timestamp": (
        *("timestamp", "unixreviewtime", "unixtime", "ratingtimestamp", "time", "datetime", "ratingtime"),
        *("reviewtime", "date", "reviewdate", "ratingdate", "ratedat", "createdat", "ts"),
    ),
}
# What may as well be a row number or a review's headline: any column that ends in 'id' is taken before these.
WEAK_NAMES = frozenset({"title", "movietitle", "booktitle", "name", "i", "u"})
# Ids of rows, reviews and visits: never of users or items.
ROW_IDS = frozenset(
    {"id", "rowid", "reviewid", "ratingid", "index", "sessionid", "orderid", "transactionid", "eventid"}
)


def plain_name(name: str) -> str:
    """In lower case without '_', '-', '.' and spaces, and without RecBole's ':type' suffix: `User-ID` is `userid`."""
    plain = name.split(":")[0].strip().lower()
    return plain.translate({ord(sign): None for sign in "_-. "})
