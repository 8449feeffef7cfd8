"""The pages of this app."""

from django.urls import path, re_path

from markets.pages import clarify, comments, create, groups, proposals

urlpatterns = [
    path("create/", create.create, name="create_market"),
    path("proposals/", proposals.proposals, name="proposals"),
    path("markets/<slug:slug>/edit/", create.edit, name="edit_market"),
    path("markets/<slug:slug>/propose/", create.propose, name="propose_market"),
    path("markets/<slug:slug>/clarify/", clarify.clarify, name="clarify_market"),
    path("markets/<slug:slug>/comments/", comments.show, name="comments"),
    path("markets/<slug:slug>/comments/write/", comments.write, name="comment_write"),
    re_path(
        r"^markets/(?P<slug>[-\w]+)/comments/(?P<comment_id>[0-9a-f-]{32,36})"
        r"/(?P<action>withdraw|report|hide|show)/$",
        comments.act,
        name="comment_act",
    ),
    path("groups/", groups.index, name="groups"),
    path("groups/join/<str:code>/", groups.join, name="group_join"),
    path("groups/<slug:slug>/", groups.show, name="group"),
    re_path(
        r"^groups/(?P<slug>[-\w]+)/"
        r"(?P<action>invite|withdraw-invitation|remove|make-owner|leave)/$",
        groups.act,
        name="group_act",
    ),
]
