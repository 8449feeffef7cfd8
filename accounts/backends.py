"""Log-in by e-mail and password; a suspended user's session is anonymous from the next request."""

from allauth.account.auth_backends import AuthenticationBackend

from accounts.models import User


class Backend(AuthenticationBackend):
    def get_user(self, user_id: int) -> User | None:
        user = super().get_user(user_id)
        return None if user is None or user.is_suspended else user
